"""PyPI `buttplug` 0.x: protocol 1. Features are numbered within their command, values are shares of the range, which
the server rounds up (positions down). Never pings, and does not notice that the server has gone."""

import logging

from buttplug.client import ButtplugClient, ButtplugClientWebsocketConnector
from buttplug.core import ButtplugMessage, RequestServerInfo, StopDeviceCmd
from buttplug.core import LinearCmd, LinearSubcommand, RotateCmd, RotateSubcommand, SpeedSubcommand, VibrateCmd
from buttplug.core.messages import FleshlightLaunchFW12Cmd, KiirooCmd, LovenseCmd, Ok, Ping, StopAllDevices, Test
from protocol_1 import TAKES
from session import Library, session
from talk import Events, run

# It logs the end of every connection.
logging.disable(logging.ERROR)

DEVICE, MESSAGE = "ButtplugDeviceError", "ButtplugMessageError"


def beyond(name, **fields):
    """A message that the library lacks, or has without its device."""
    message = type(name, (ButtplugMessage,), {})()
    message.__dict__.update(fields)
    return message


def single_motor(device, speed):
    return beyond("SingleMotorVibrateCmd", device_index=device, speed=speed)


def vibration(device, *speeds):
    return VibrateCmd(device, [SpeedSubcommand(*speed) for speed in speeds])


def rotation(device, index, speed):
    return RotateCmd(device, [RotateSubcommand(index, speed, True)])


def movement(device, index, position):
    return LinearCmd(device, [LinearSubcommand(index, 100, position)])


class Buttplug0(Library):
    NOBODY_LISTENS = "ButtplugClientConnectorError"
    GONE = DEVICE
    NOT_CONNECTED = "ConnectionClosedOK"
    PINGS = False
    BATTERY = None
    SHOWS = TAKES

    async def connect(self, url, name):
        client = ButtplugClient(name)
        client.added, client.removed, client.finished = Events(), Events(), Events()
        # Each is called with the client first.
        client.device_added_handler += lambda _, device: client.added(device)
        client.device_removed_handler += lambda _, device: client.removed(device)
        client.scanning_finished_handler += lambda _: client.finished()
        await client.connect(ButtplugClientWebsocketConnector(url))
        return client

    async def facts(self, client):
        await client.request_log("Off")
        echo = await client._send_message_expect_reply(Test("hello"), Test)
        return [("connected", True, client.connector.connected), ("a test comes back", "hello", echo.test_string)]

    def connected(self, client):
        return client.connector.connected

    def place(self, device):
        return [device._index, device.name]

    def shown(self, device):
        return {
            name: getattr(attributes, "feature_count", None) for name, attributes in device.allowed_messages.items()
        }

    def vibrate(self, device, steps):
        return device.send_vibrate_cmd(steps / 20)

    def rotate(self, device, steps):
        return device.send_rotate_cmd((abs(steps) / 20, steps > 0))

    def move_away(self, device):
        return device.send_linear_cmd((60000, 1))

    def stop(self, device):
        return device.send_stop_device_cmd()

    def stop_all(self, client):
        return self.send(client, StopAllDevices())

    def outputs(self, hush, edge, nora, max_, solace):
        def sent(message):
            return self.send(hush._client, message)

        vorze = beyond("VorzeA10CycloneCmd", device_index=2, speed=50, clockwise=True)
        stroke = ["FSetSite:50;", "FSetSite:100;"]
        moving = ["FSetSite:16;", "FSetSite:32;", "FSetSite:48;", "FSetSite:50;"]
        return [
            ("half", "one motor", hush.send_vibrate_cmd(0.5), "Vibrate:10;"),
            ("51 percent is rounded up", "one motor", hush.send_vibrate_cmd([0.51]), "Vibrate:11;"),
            ("the same once more", "one motor", hush.send_vibrate_cmd(0.505)),
            ("a trace is one step", "one motor", hush.send_vibrate_cmd(0.001), "Vibrate:1;"),
            ("zero", "one motor", hush.send_vibrate_cmd(0), "Vibrate:0;"),
            ("the single motor command", "one motor", sent(single_motor(0, 0.52)), "Vibrate:11;"),
            ("first motor", "two motors", edge.send_vibrate_cmd(0.65), "Vibrate1:13;"),
            ("second motor", "two motors", edge.send_vibrate_cmd({1: 1.0}), "Vibrate2:20;"),
            ("each its own", "two motors", edge.send_vibrate_cmd([0.25, 0.5]), "Vibrate1:5;", "Vibrate2:10;"),
            ("the single motor command", "two motors", sent(single_motor(1, 0.52)), "Vibrate1:11;", "Vibrate2:11;"),
            ("motor", "rotation", nora.send_vibrate_cmd(0.35), "Vibrate:7;"),
            ("clockwise", "rotation", nora.send_rotate_cmd((0.6, True)), "Rotate:12;"),
            ("the other way", "rotation", nora.send_rotate_cmd([(0.25, False)]), "RotateChange;", "Rotate:5;"),
            ("rest", "rotation", nora.send_rotate_cmd({0: (0, False)}), "Rotate:0;"),
            ("the command of one vendor", "rotation", sent(vorze), "RotateChange;", "Rotate:10;"),
            ("motor", "constriction", max_.send_vibrate_cmd(1), "Vibrate:20;"),
            ("half way in 300 ms", "stroker", solace.send_linear_cmd((300, 0.5)), *moving),
            ("back at once, rounded down", "stroker", solace.send_linear_cmd([(0, 0.259)]), "FSetSite:25;"),
            ("back to the end", "stroker", solace.send_linear_cmd((0, 0)), "FSetSite:0;"),
            ("the command of one vendor", "stroker", sent(FleshlightLaunchFW12Cmd(4, 99, 99)), *stroke),
            ("back again", "stroker", solace.send_linear_cmd({0: (0, 0.25)}), "FSetSite:25;"),
        ]

    def stops(self, client):
        return []

    def mistakes(self, hush, edge, nora, max_, solace):
        return [
            ("no vibration", DEVICE, solace.send_vibrate_cmd(1)),
            ("no rotation", DEVICE, hush.send_rotate_cmd((1, True))),
            ("no movement", DEVICE, hush.send_linear_cmd((100, 1))),
            ("more speeds than motors, seen by the server", DEVICE, hush.send_vibrate_cmd([1, 1])),
            ("speed out of range, seen by the server", MESSAGE, hush.send_vibrate_cmd(1.31)),
        ]

    refused = [
        ("speed below 0", MESSAGE, vibration(0, (0, -0.1))),
        ("no such device", DEVICE, vibration(99, (0, 1))),
        ("no such motor", DEVICE, vibration(0, (9, 1))),
        ("a good and a bad speed", DEVICE, vibration(1, (0, 0.25), (9, 0.5))),
        ("no speeds", MESSAGE, vibration(0)),
        ("vibration of a device that can't", DEVICE, vibration(4, (0, 1))),
        ("rotation above 1", MESSAGE, rotation(2, 0, 1.01)),
        ("no such rotation", DEVICE, rotation(2, 1, 1)),
        ("rotation of a device that can't", DEVICE, rotation(0, 0, 1)),
        ("position above 1", MESSAGE, movement(4, 0, 1.1)),
        ("no such movement", DEVICE, movement(4, 1, 1)),
        ("movement of a device that can't", DEVICE, movement(0, 0, 1)),
        ("no movements are fine", "no error", LinearCmd(4, [])),
        ("a single motor that is none", DEVICE, single_motor(4, 1)),
        ("the single motor of no device", DEVICE, single_motor(99, 1)),
        ("stopping no such device", DEVICE, StopDeviceCmd(99)),
        ("a position of a device that has none", DEVICE, FleshlightLaunchFW12Cmd(0, 50, 50)),
        ("a vendor's own command", MESSAGE, LovenseCmd(0, "Vibrate:5;")),
        ("another vendor's", MESSAGE, KiirooCmd(0, "2")),
        ("a command of protocol 2", MESSAGE, beyond("BatteryLevelCmd", device_index=0)),
        ("a second handshake", "ButtplugHandshakeError", RequestServerInfo("again")),
        ("a test that is to fail", MESSAGE, Test("Error")),
        ("a ping is answered", "no error", Ping()),
    ]

    async def send(self, client, message):
        await client._send_message_expect_reply(message, Ok)

    def socket(self, client):
        return client.connector.ws

    # The library does not notice; its socket does.
    async def gone(self, client):
        await client.connector.ws.wait_closed()
        return True


run(session(Buttplug0()))
