"""PyPI `buttplug-py` 0.x where it can handle devices: protocols 3 and 2. Values are shares of the range, which the
server rounds up (positions down)."""

import asyncio

from buttplug_py import DEVICE, INIT, MESSAGE, PROTOCOL, connect, new_client, send
from buttplug.messages import v0, v1, v2, v3
from session import Library, session
from talk import become, run

STROKER = "Stroker position Based Movement"


def scalars(device, *scalars):
    return v3.ScalarCmd(device, [v3.Scalar(*scalar) for scalar in scalars])


def vibration(device, *speeds):
    return v1.VibrateCmd(device, [v1.Speed(*speed) for speed in speeds])


def rotation(device, index, speed):
    return v1.RotateCmd(device, [v1.Rotation(index, speed, True)])


def movement(device, index, position):
    return v1.LinearCmd(device, [v1.Vector(index, 100, position)])


class ButtplugPy(Library):
    NOBODY_LISTENS = "ServerNotFoundError"
    GONE = DEVICE
    NOT_CONNECTED = "ConnectorError"
    PINGS = True

    async def connect(self, url, name):
        client = new_client(name)
        await connect(client, url)
        return client

    async def facts(self, client):
        return [("connected", True, client.connected)]

    async def added(self, client, index):
        await become(lambda: index in client.devices)
        return client.devices.get(index)

    async def removed(self, client, device):
        return device if await become(lambda: device.removed) else None

    async def stop_scanning(self, client):
        return await asyncio.wait_for(await client.stop_scanning(), 3) is not None

    def shown(self, device):
        return [
            [
                [getattr(part, "type", type(part).__name__), part.step_count, part.description]
                for part in [*device.actuators, *device.rotatory_actuators, *device.linear_actuators]
            ],
            [
                [getattr(part, "type", type(part).__name__), getattr(part, "ranges", None), part.description]
                for part in device.sensors
            ],
        ]

    def vibrate(self, device, steps):
        return device.actuators[0].command(steps / 20)

    def rotate(self, device, steps):
        return device.rotatory_actuators[0].command(abs(steps) / 20, steps > 0)

    def move_away(self, device):
        return device.linear_actuators[0].command(60000, 1)

    def stop(self, device):
        return device.stop()

    def stop_all(self, client):
        return client.stop_all()

    def stops(self, client):
        return []

    async def send(self, client, message):
        await send(client, message)

    def outputs(self, hush, edge, nora, max_, solace):
        turn, move = nora.rotatory_actuators[0], solace.linear_actuators[0]
        both = vibration(1, (0, 0.25), (1, 0.5))
        moving = ["FSetSite:16;", "FSetSite:32;", "FSetSite:48;", "FSetSite:50;"]
        return [
            ("half", "one motor", hush.actuators[0].command(0.5), "Vibrate:10;"),
            ("51 percent is rounded up", "one motor", hush.actuators[0].command(0.51), "Vibrate:11;"),
            ("the same once more", "one motor", hush.actuators[0].command(0.505)),
            ("a trace is one step", "one motor", hush.actuators[0].command(0.001), "Vibrate:1;"),
            ("zero", "one motor", hush.actuators[0].command(0), "Vibrate:0;"),
            ("first motor", "two motors", edge.actuators[0].command(0.65), "Vibrate1:13;"),
            ("second motor", "two motors", edge.actuators[1].command(1), "Vibrate2:20;"),
            ("each its own", "two motors", send(edge._client, both), "Vibrate1:5;", "Vibrate2:10;"),
            ("motor", "rotation", nora.actuators[0].command(0.35), "Vibrate:7;"),
            ("clockwise", "rotation", turn.command(0.6, True), "Rotate:12;"),
            ("the other way", "rotation", turn.command(0.25, False), "RotateChange;", "Rotate:5;"),
            ("rest", "rotation", turn.command(0, True), "Rotate:0;"),
            ("full speed clockwise", "rotation", turn.command(1, True), "RotateChange;", "Rotate:20;"),
            ("motor", "constriction", max_.actuators[0].command(1), "Vibrate:20;"),
            ("half way in 300 ms", "stroker", move.command(300, 0.5), *moving),
            ("back at once, rounded down", "stroker", move.command(0, 0.259), "FSetSite:25;"),
        ]

    def mistakes(self, hush, edge, nora, max_, solace):
        turn, move = nora.rotatory_actuators[0], solace.linear_actuators[0]
        return [
            ("rotation above 1, seen by the server", MESSAGE, turn.command(1.01, True)),
            ("position above 1, seen by the server", MESSAGE, move.command(100, 1.1)),
        ]

    refused = [
        ("no such device", DEVICE, rotation(99, 0, 1)),
        ("no such rotation", DEVICE, rotation(2, 1, 1)),
        ("rotation of a device that can't", DEVICE, rotation(0, 0, 1)),
        ("no such movement", DEVICE, movement(4, 1, 1)),
        ("movement of a device that can't", DEVICE, movement(0, 0, 1)),
        ("no movements are fine", "no error", v1.LinearCmd(4, [])),
        ("stopping no such device", DEVICE, v0.StopDeviceCmd(99)),
        ("a command of protocol 1", MESSAGE, v0.SingleMotorVibrateCmd(0, 1)),
        ("raw bytes", MESSAGE, v2.RawWriteCmd(0, "tx", [1])),
        ("a second handshake", INIT, v3.RequestServerInfo("again", PROTOCOL)),
        ("a ping is answered", "no error", v0.Ping()),
    ]

    def socket(self, client):
        return client._connector._connection

    # The library does not notice; its socket does.
    async def gone(self, client):
        await self.socket(client).wait_closed()
        return True


class Protocol3(ButtplugPy):
    BATTERY = 85
    CELL = [["Battery", [[0, 100]], "battery Level"]]
    SHOWS = {
        "one motor": [[["Vibrate", 20, ""]], CELL],
        "two motors": [[["Vibrate", 20, ""], ["Vibrate", 20, ""]], CELL],
        "rotation": [[["Vibrate", 20, ""], ["Rotate", 20, ""], ["RotatoryActuator", 20, ""]], CELL],
        "constriction": [[["Vibrate", 20, "Vibrator"], ["Constrict", 3, "Air Pump"]], CELL],
        "stroker": [[["Oscillate", 20, STROKER], ["LinearActuator", 100, STROKER]], CELL],
    }

    async def battery(self, device):
        return (await device.sensors[0].read())[0]

    def outputs(self, hush, edge, nora, max_, solace):
        forward = nora.actuators[1]
        return [
            *super().outputs(hush, edge, nora, max_, solace),
            ("as a scalar", "rotation", forward.command(0.5), "Rotate:10;"),
            ("a third is rounded up", "constriction", max_.actuators[1].command(0.34), "Air:Level:2;"),
            ("all air", "constriction", max_.actuators[1].command(1), "Air:Level:3;"),
            ("stroking", "stroker", solace.actuators[0].command(0.5), "Mply:10:20;"),
        ]

    def mistakes(self, hush, *others):
        return [
            *super().mistakes(hush, *others),
            ("share above 1, seen by the server", DEVICE, hush.actuators[0].command(1.5)),
            ("share below 0, seen by the server", DEVICE, hush.actuators[0].command(-0.1)),
        ]

    refused = ButtplugPy.refused + [
        ("no such actuator", DEVICE, scalars(0, (9, 1, "Vibrate"))),
        ("not this type of actuator", DEVICE, scalars(0, (0, 1, "Rotate"))),
        ("a good and a bad scalar", DEVICE, scalars(1, (0, 0.25, "Vibrate"), (9, 0.5, "Vibrate"))),
        ("no scalars", MESSAGE, scalars(0)),
        ("no such sensor", DEVICE, v3.SensorReadCmd(0, 0, "Pressure")),
        ("a battery can't be subscribed", DEVICE, v3.SensorSubscribeCmd(0, 0, "Battery")),
        ("a command of protocol 2", MESSAGE, v2.BatteryLevelCmd(0)),
    ]


class Protocol2(ButtplugPy):
    BATTERY = 0.85
    CELL = [["BatteryLevel", None, ""]]
    # Of each motor the library shows the step counts of all.
    SHOWS = {
        "one motor": [[["VibrateActuator", [20], ""]], CELL],
        "two motors": [[["VibrateActuator", [20, 20], ""], ["VibrateActuator", [20, 20], ""]], CELL],
        "rotation": [[["VibrateActuator", [20], ""], ["RotatoryActuator", [20], ""]], CELL],
        "constriction": [[["VibrateActuator", [20], ""]], CELL],
        "stroker": [[["LinearActuator", [100], ""]], CELL],
    }

    async def battery(self, device):
        return (await device.sensors[0].read)[0]

    def mistakes(self, hush, *others):
        return [
            *super().mistakes(hush, *others),
            ("speed above 1, seen by the server", MESSAGE, hush.actuators[0].command(1.31)),
            ("speed below 0, seen by the server", MESSAGE, hush.actuators[0].command(-0.1)),
        ]

    refused = ButtplugPy.refused + [
        ("no such motor", DEVICE, vibration(0, (9, 1))),
        ("a good and a bad speed", DEVICE, vibration(1, (0, 0.25), (9, 0.5))),
        ("no speeds", MESSAGE, vibration(0)),
        ("vibration of a device that can't", DEVICE, vibration(4, (0, 1))),
        ("the signal of a device that does not tell", DEVICE, v2.RSSILevelCmd(0)),
        ("the battery of no device", DEVICE, v2.BatteryLevelCmd(99)),
        ("a command of protocol 3", MESSAGE, scalars(0, (0, 1, "Vibrate"))),
    ]


run(session({2: Protocol2, 3: Protocol3}[PROTOCOL]()))
