"""PyPI `buttplug` 1.x, unmodified, through a whole session with four Lovense devices and a ping watchdog of 2 s."""

import asyncio
import os

from buttplug import ButtplugClient, DeviceOutputCommand, InputType, OutputType
from buttplug._messages import Error, InputCmd, Ok, OutputCmd, Ping, RequestServerInfo, StopCmd
from buttplug.errors import error_from_code
from talk import Events, check, dial_in, end_the_engine, error_of, hang_up, run, saw, saw_at_least_once

URL = os.environ["INTEROP_URL"]
VIBRATE, ROTATE, CONSTRICT = OutputType.VIBRATE, OutputType.ROTATE, OutputType.CONSTRICT


def vibrator(index):
    return [index, {"Vibrate": [0, 20]}, {}]


def battery(index):
    return [index, {}, {"Battery": [[[0, 100]], ["Read"]]}]


DEVICES = [
    ("one motor", "Lovense Hush", [vibrator(0), battery(1)]),
    ("two motors", "Lovense Edge", [vibrator(0), vibrator(1), battery(2)]),
    ("rotation", "Lovense Nora", [vibrator(0), [1, {"Rotate": [-20, 20]}, {}], battery(2)]),
    ("constriction", "Lovense Max", [vibrator(0), [1, {"Constrict": [0, 3]}, {}], battery(2)]),
]
KINDS = [kind for kind, _, _ in DEVICES]
# The zeros of each, in the order in which they go out.
ZEROS = {
    "one motor": ["Vibrate:0;"],
    "two motors": ["Vibrate1:0;", "Vibrate2:0;"],
    "rotation": ["Vibrate:0;", "Rotate:0;"],
    "constriction": ["Vibrate:0;", "Air:Level:0;"],
}


def place_of(device):
    return device and [device.index, device.name]


def features_of(device):
    return [
        [
            feature.index,
            {name: list(output.value) for name, output in (feature.outputs or {}).items()},
            {name: [input.value, input.command] for name, input in (feature.inputs or {}).items()},
        ]
        for feature in device.features.values()
    ]


async def connected(name):
    client = ButtplugClient(name)
    client.on_device_added = client.added = Events()
    client.on_device_removed = client.removed = Events()
    client.on_scanning_finished = client.finished = Events()
    client.on_server_disconnect = client.gone = Events()
    client.on_error = client.errors = Events()
    await client.connect(URL)
    return client


async def sent(client, message):
    """Sends a message past the library's own checks; an Error in reply is raised as the library raises it."""
    reply = await client._send_device_message(message)
    if isinstance(reply, Error):
        raise error_from_code(reply.error_code, reply.error_message)
    return reply


async def session():
    # Connecting.
    lost = ButtplugClient("lost").connect("ws://127.0.0.1:1")
    await check("connecting where nobody listens", "ButtplugConnectorError", await error_of(lost))
    client = await connected("interop")
    await check("connected", True, client.connected)
    await check("server info", ["Engine under test", 2000], [client.server_name, client._max_ping_time])
    await check("no devices at first", {}, client.devices)

    # Scanning.
    await client.start_scanning()
    await check("scanning", True, client.scanning)
    for index, (kind, name, features) in enumerate(DEVICES):
        await dial_in(kind)
        device = await client.added.next()
        await check(f"{kind}: added under its index and name", [index, name], place_of(device))
        await check(f"{kind}: features and ranges", features, features_of(device))
        await check(f"{kind}: no name given by a person", None, device.display_name)
        await saw(f"{kind}: asked for its type, once", kind, "DeviceType;")
    await client.stop_scanning()
    await check("the end of the scan is announced", True, await client.finished.next())
    hush, edge, nora, max_ = (client.devices[index] for index in range(4))

    # Outputs as steps (int) and as a share (float), which the library rounds away from zero.
    async def output(what, device, kind, index, type, value, *writes):
        await device.features[index].run_output(DeviceOutputCommand(type, value))
        await saw(f"{kind}: {what}", kind, *writes)

    await output("10 steps", hush, "one motor", 0, VIBRATE, 10, "Vibrate:10;")
    await output("51 percent", hush, "one motor", 0, VIBRATE, 0.51, "Vibrate:11;")
    await output("the same once more", hush, "one motor", 0, VIBRATE, 11)
    await output("zero", hush, "one motor", 0, VIBRATE, 0, "Vibrate:0;")
    await output("first motor", edge, "two motors", 0, VIBRATE, 13, "Vibrate1:13;")
    await output("second motor", edge, "two motors", 1, VIBRATE, 1.0, "Vibrate2:20;")
    await edge.run_output(DeviceOutputCommand(VIBRATE, 0.25))
    await saw("two motors: both at once", "two motors", "Vibrate1:5;", "Vibrate2:5;")
    await output("motor", nora, "rotation", 0, VIBRATE, 7, "Vibrate:7;")
    await output("clockwise", nora, "rotation", 1, ROTATE, 12, "Rotate:12;")
    await output("the other way", nora, "rotation", 1, ROTATE, -5, "RotateChange;", "Rotate:5;")
    await output("half speed, the same way", nora, "rotation", 1, ROTATE, -0.5, "Rotate:10;")
    await output("rest", nora, "rotation", 1, ROTATE, 0.0, "Rotate:0;")
    await output("full speed clockwise", nora, "rotation", 1, ROTATE, 1.0, "RotateChange;", "Rotate:20;")
    await output("motor", max_, "constriction", 0, VIBRATE, 20, "Vibrate:20;")
    await output("air 2 steps", max_, "constriction", 1, CONSTRICT, 2, "Air:Level:2;")
    await output("air 100 percent", max_, "constriction", 1, CONSTRICT, 1.0, "Air:Level:3;")

    # Inputs.
    for index, kind in enumerate(KINDS):
        await check(f"{kind}: battery", 0.85, await client.devices[index].battery())
        await saw(f"{kind}: asked for its battery, once", kind, "Battery;")

    # Errors that the library finds itself, then the same past its checks, as the server answers them.
    for what, index, type, value in [
        ("step out of range", 0, VIBRATE, 21),
        ("negative step", 0, VIBRATE, -1),
        ("share out of range", 0, VIBRATE, 1.5),
        ("no such output", 0, ROTATE, 1),
    ]:
        call = hush.features[index].run_output(DeviceOutputCommand(type, value))
        await check(f"library: {what}", "ButtplugDeviceError", await error_of(call))
    call = hush.features[0].battery()
    await check("library: no such input", "ButtplugDeviceError", await error_of(call))
    await check("library: no such input on the device", False, hush.has_input(InputType.PRESSURE))

    def command(device, feature, command):
        return OutputCmd(id=0, device_index=device, feature_index=feature, command=command)

    def reading(device, feature, type, command):
        return InputCmd(id=0, device_index=device, feature_index=feature, input_type=type, command=command)

    for what, expected, message in [
        ("value above the range", "ButtplugDeviceError", command(0, 0, {"Vibrate": {"Value": 21}})),
        ("value below the range", "ButtplugDeviceError", command(0, 0, {"Vibrate": {"Value": -1}})),
        ("rotation below its range", "ButtplugDeviceError", command(2, 1, {"Rotate": {"Value": -21}})),
        ("no such device", "ButtplugDeviceError", command(99, 0, {"Vibrate": {"Value": 1}})),
        ("no such feature", "ButtplugDeviceError", command(0, 9, {"Vibrate": {"Value": 1}})),
        ("no such output", "ButtplugDeviceError", command(0, 0, {"Rotate": {"Value": 1}})),
        ("an output of a sensor", "ButtplugDeviceError", command(0, 1, {"Vibrate": {"Value": 1}})),
        ("half a step", "ButtplugMessageError", command(0, 0, {"Vibrate": {"Value": 10.5}})),
        ("a value in quotes", "ButtplugMessageError", command(0, 0, {"Vibrate": {"Value": "10"}})),
        ("no command", "ButtplugMessageError", command(0, 0, {})),
        ("no such input", "ButtplugDeviceError", reading(0, 1, "Pressure", "Read")),
        ("a battery can't be subscribed", "ButtplugDeviceError", reading(0, 1, "Battery", "Subscribe")),
        ("stopping no such device", "ButtplugDeviceError", StopCmd(id=0, device_index=99)),
        ("stopping no such feature", "ButtplugDeviceError", StopCmd(id=0, device_index=0, feature_index=9)),
        ("a feature of no device", "ButtplugMessageError", StopCmd(id=0, feature_index=0)),
        ("a second handshake", "ButtplugHandshakeError", RequestServerInfo(id=0, client_name="again")),
    ]:
        await check(f"server: {what}", expected, await error_of(sent(client, message)))
    await check("a ping is answered", True, isinstance(await sent(client, Ping(id=0)), Ok))
    for kind in KINDS:
        await saw(f"{kind}: nothing reached it of all that", kind)

    # Stopping.
    await edge.features[1].stop()
    await saw("two motors: one feature stopped", "two motors", "Vibrate2:0;")
    await edge.stop()
    await saw("two motors: stopped", "two motors", *ZEROS["two motors"])
    await output("running", hush, "one motor", 0, VIBRATE, 9, "Vibrate:9;")
    await client.stop_all_devices()
    for kind in KINDS:
        await saw(f"{kind}: stopped with all", kind, *ZEROS[kind])

    # The library's own pings, every second, keep the session alive longer than the watchdog's 2 to 4 s.
    await asyncio.sleep(4.5)
    await check("its pings keep the session alive", [True, 0], [client.connected, client.errors.count()])

    # A device that goes and comes back.
    await hang_up("one motor")
    removed = await client.removed.next()
    await check("one motor: its loss is announced", "Lovense Hush", removed and removed.name)
    call = hush.features[0].run_output(DeviceOutputCommand(VIBRATE, 5))
    await check("one motor: commands to it are errors", "ButtplugDeviceError", await error_of(call))
    await dial_in("one motor")
    returned = await client.added.next()
    await check("one motor: back under its index", [0, "Lovense Hush"], place_of(returned))
    await saw("one motor: asked for its type and told to rest", "one motor", "DeviceType;", "Vibrate:0;")

    # A second client that leaves while a device runs. The library says nothing when it goes, it just closes. What the
    # first set in motion goes on.
    second = await connected("second")
    await check("a second client sees the same devices", [0, 1, 2, 3], sorted(second.devices))
    await output("driven by the first", returned, "one motor", 0, VIBRATE, 4, "Vibrate:4;")
    await output("driven by the second", second.devices[2], "rotation", 1, ROTATE, 3, "Rotate:3;")
    await second.disconnect()
    await check("the second is disconnected", False, second.connected)
    await saw("rotation: the going of its client stops it", "rotation", "Rotate:0;")
    await saw("one motor: runs on", "one motor")

    # The server goes away under a connected client.
    await check("the engine ends in order", 0, await end_the_engine())
    await check("its going is announced", True, await client.gone.next())
    await check("not connected", False, client.connected)
    for kind in KINDS:
        await saw_at_least_once(f"{kind}: stopped by the end of the engine", kind, *ZEROS[kind])
    await check("commands after the end", "ButtplugConnectorError", await error_of(client.stop_all_devices()))


run(session)
