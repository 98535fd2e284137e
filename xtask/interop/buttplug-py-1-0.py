"""PyPI `buttplug-py` 0.x where it can't handle devices: protocols 1 and 0. It fails over the first device that can do
anything (protocol 1) or over any (protocol 0). Until it hears of one, and with messages past its devices, it works; and
when it has gone deaf over one it pings no more, which is when the watchdog has to stop what it drives."""

import asyncio

from buttplug_py import DEVICE, INIT, MESSAGE, PROTOCOL, connect, new_client, send
from buttplug.messages import v0, v1, v3
from protocol_1 import TAKES
from session import KINDS, NOWHERE, URL, expect_stopped
from talk import become, check, dial_in, end_the_engine, error_of, hang_up, run, saw, saw_at_least_once


# Protocol 0 has names only, and none of the commands that count features.
SHOWS = TAKES
if PROTOCOL == 0:
    SHOWS = {kind: sorted(name for name in takes if takes[name] is None) for kind, takes in TAKES.items()}


def shown(messages):
    if PROTOCOL == 0:
        return messages
    return {name: attributes.feature_count for name, attributes in messages.items()}


def vibration(device, *speeds):
    return v1.VibrateCmd(device, [v1.Speed(*speed) for speed in speeds])


def rotation(device, speed, clockwise):
    return v1.RotateCmd(device, [v1.Rotation(0, speed, clockwise)])


def movement(device, duration, position):
    return v1.LinearCmd(device, [v1.Vector(0, duration, position)])


OUTPUTS = [
    ("the single motor", "one motor", v0.SingleMotorVibrateCmd(0, 0.52), "Vibrate:11;"),
    ("the single motor", "two motors", v0.SingleMotorVibrateCmd(1, 0.52), "Vibrate1:11;", "Vibrate2:11;"),
    ("one vendor's rotation", "rotation", v0.VorzeA10CycloneCmd(2, 50, True), "Rotate:10;"),
    ("the other way", "rotation", v0.VorzeA10CycloneCmd(2, 25, False), "RotateChange;", "Rotate:5;"),
    ("one vendor's stroke", "stroker", v0.FleshlightLaunchFW12Cmd(4, 99, 99), "FSetSite:50;", "FSetSite:100;"),
    ("back again", "stroker", v0.FleshlightLaunchFW12Cmd(4, 0, 99), "FSetSite:50;", "FSetSite:0;"),
]
if PROTOCOL == 1:
    OUTPUTS += [
        ("first motor", "two motors", vibration(1, (0, 0.65)), "Vibrate1:13;"),
        ("each its own", "two motors", vibration(1, (0, 0.25), (1, 0.5)), "Vibrate1:5;", "Vibrate2:10;"),
        ("clockwise", "rotation", rotation(2, 0.6, True), "RotateChange;", "Rotate:12;"),
        ("the other way", "rotation", rotation(2, 0.25, False), "RotateChange;", "Rotate:5;"),
        ("at once, rounded down", "stroker", movement(4, 0, 0.259), "FSetSite:25;"),
    ]
REFUSED = [
    ("the single motor of no device", DEVICE, v0.SingleMotorVibrateCmd(99, 1)),
    ("a single motor that is none", DEVICE, v0.SingleMotorVibrateCmd(4, 1)),
    ("a speed above 1", MESSAGE, v0.SingleMotorVibrateCmd(0, 1.01)),
    ("a rotation of a device that can't", DEVICE, v0.VorzeA10CycloneCmd(0, 50, True)),
    ("a rotation above 100", MESSAGE, v0.VorzeA10CycloneCmd(2, 101, True)),
    ("a position above 99", MESSAGE, v0.FleshlightLaunchFW12Cmd(4, 100, 50)),
    ("a position of a device that has none", DEVICE, v0.FleshlightLaunchFW12Cmd(0, 50, 50)),
    ("a vendor's own command", MESSAGE, v0.LovenseCmd(0, "Vibrate:5;")),
    ("another vendor's", MESSAGE, v0.KiirooCmd(0, "2")),
    ("stopping no such device", DEVICE, v0.StopDeviceCmd(99)),
    ("a command of protocol 3", MESSAGE, v3.ScalarCmd(0, [])),
    ("a second handshake", INIT, v3.RequestServerInfo("again", PROTOCOL)),
    ("a ping is answered", "no error", v0.Ping()),
]
if PROTOCOL == 0:
    REFUSED.append(("a command of protocol 1", MESSAGE, vibration(0, (0, 1))))

# What it fails with over the first device in a list.
FAILURE = {0: "TypeError", 1: "AttributeError"}[PROTOCOL]


async def session():
    # Before any device.
    lost = connect(new_client("lost"), NOWHERE)
    await check("connecting where nobody listens", "ServerNotFoundError", await error_of(lost))
    client = new_client("interop")
    await connect(client, URL)
    await check("connected, without devices", [True, {}], [client.connected, client.devices])
    scan = await client.start_scanning()
    await client.stop_scanning()
    await check("the end of the scan is announced", {}, await asyncio.wait_for(scan, 3))
    await client.disconnect()
    await check("disconnected", False, client.connected)

    # Connected to devices that it does not understand: it gives up half way, but goes on listening and pinging.
    for kind in SHOWS:
        await dial_in(kind)
        await saw(f"{kind}: asked for its type, once", kind, "DeviceType;")
    client = new_client("again")
    await check("it fails over the first device", FAILURE, await error_of(connect(client, URL)))
    listed = (await send(client, v0.RequestDeviceList())).devices
    for index, (device, kind) in enumerate(zip(listed, SHOWS)):
        place = [device.device_index, device.device_name]
        await check(f"{kind}: listed under its index and name", [index, KINDS[kind]["name"]], place)
        await check(f"{kind}: what it can do", SHOWS[kind], shown(device.device_messages))
    await check("no more devices", len(SHOWS), len(listed))

    for what, kind, message, *writes in OUTPUTS:
        await send(client, message)
        await saw(f"{kind}: {what}", kind, *writes)
    for what, expected, message in REFUSED:
        await check(f"server: {what}", expected, await error_of(send(client, message)))
    for kind in SHOWS:
        await saw(f"{kind}: nothing reached it of all that", kind)
    await send(client, v0.StopDeviceCmd(1))
    await expect_stopped("stopped", ["two motors"])
    await client.stop_all()
    await expect_stopped("stopped with all", SHOWS)

    # It breaks over the loss of a device that it never took in, and is deaf from then on.
    await send(client, v0.SingleMotorVibrateCmd(0, 0.2))
    await saw("one motor: running", "one motor", "Vibrate:4;")
    await hang_up("constriction")
    await asyncio.sleep(1.5)
    await saw("one motor: stopped when no more pings come", "one motor", "Vibrate:0;")
    await asyncio.wait_for(client._connector._connection.wait_closed(), 3)
    await check("and the connection is closed", 1000, client._connector._connection.close_code)

    # A device without anything that these protocols know. In protocol 1 the library can stop it; in 0 no device is
    # so simple that it survives it.
    for kind in ["one motor", "two motors", "rotation", "stroker"]:
        await hang_up(kind)
    client = new_client("last")
    await connect(client, URL)
    await dial_in("oscillation")
    await saw("oscillation: asked for its type, once", "oscillation", "DeviceType;")
    if PROTOCOL == 0:
        unheard = await error_of(asyncio.wait_for(send(client, v0.Ping()), 0.5))
        await check("oscillation: the library heard of it, and nothing since", "TimeoutError", unheard)
    else:
        await check("oscillation: added", True, await become(lambda: 5 in client.devices))
        device = client.devices[5]
        parts = [device.actuators, device.rotatory_actuators, device.linear_actuators, device.sensors]
        await check("oscillation: nothing to drive or read", [[], [], [], []], parts)
        await device.stop()
        await expect_stopped("stopped", ["oscillation"])
        await hang_up("oscillation")
        await check("oscillation: its loss is announced", True, await become(lambda: device.removed))
        await dial_in("oscillation")
        await check("oscillation: back under its index", True, await become(lambda: 5 in client.devices))
        await saw("oscillation: asked for its type and told to rest", "oscillation", "DeviceType;", "Mply:0:0;")

    await check("the engine ends in order", 0, await end_the_engine())
    await expect_stopped("stopped by the end of the engine", ["oscillation"], saw_at_least_once)
    await client._connector._connection.wait_closed()
    await check("commands after the end", "ConnectorError", await error_of(client.stop_all()))


run(session())
