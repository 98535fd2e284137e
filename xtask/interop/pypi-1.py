"""PyPI `buttplug` 1.x: protocol 4."""

from buttplug import ButtplugClient, DeviceOutputCommand, OutputType
from buttplug._messages import Error, InputCmd, OutputCmd, Ping, RequestServerInfo, StopCmd
from buttplug.errors import error_from_code
from session import Library, session
from talk import Events, check, run

VIBRATE, ROTATE, CONSTRICT, OSCILLATE = (
    OutputType.VIBRATE,
    OutputType.ROTATE,
    OutputType.CONSTRICT,
    OutputType.OSCILLATE,
)
MOVE = OutputType.POSITION_WITH_DURATION


def vibrator(index):
    return [index, {"Vibrate": [[0, 20], None]}, {}]


def battery(index):
    return [index, {}, {"Battery": [[[0, 100]], ["Read"]]}]


def unnamed(*features):
    return None, features


def drive(device, index, type, value, *duration):
    return device.features[index].run_output(DeviceOutputCommand(type, value, *duration))


def command(device, feature, command):
    return OutputCmd(id=0, device_index=device, feature_index=feature, command=command)


def reading(device, feature, type, command):
    return InputCmd(id=0, device_index=device, feature_index=feature, input_type=type, command=command)


class Buttplug1(Library):
    NOBODY_LISTENS = NOT_CONNECTED = "ButtplugConnectorError"
    GONE = "ButtplugDeviceError"
    PINGS = True
    BATTERY = 0.85
    SHOWS = {
        "one motor": unnamed(vibrator(0), battery(1)),
        "two motors": unnamed(vibrator(0), vibrator(1), battery(2)),
        "rotation": unnamed(vibrator(0), [1, {"Rotate": [[-20, 20], None]}, {}], battery(2)),
        "constriction": unnamed(vibrator(0), [1, {"Constrict": [[0, 3], None]}, {}], battery(2)),
        "stroker": unnamed(
            [0, {"HwPositionWithDuration": [[0, 100], [0, 100000]], "Oscillate": [[0, 20], None]}, {}],
            battery(1),
        ),
    }

    async def connect(self, url, name):
        client = ButtplugClient(name)
        client.on_device_added = client.added = Events()
        client.on_device_removed = client.removed = Events()
        client.on_scanning_finished = client.finished = Events()
        client.on_server_disconnect = client.left = Events()
        client.on_error = client.errors = Events()
        await client.connect(url)
        return client

    async def facts(self, client):
        return [
            ("connected", True, client.connected),
            ("server info", ["Engine under test", 2000], [client.server_name, client._max_ping_time]),
        ]

    def connected(self, client):
        return client.connected and client.errors.count() == 0

    async def start_scanning(self, client):
        await client.start_scanning()
        await check("scanning", True, client.scanning)

    # With the name that a person gave it.
    def shown(self, device):
        return device.display_name, [
            [
                feature.index,
                {name: [output.value, output.duration] for name, output in (feature.outputs or {}).items()},
                {name: [input.value, input.command] for name, input in (feature.inputs or {}).items()},
            ]
            for feature in device.features.values()
        ]

    async def battery(self, device):
        return await device.battery()

    def vibrate(self, device, steps):
        return drive(device, 0, VIBRATE, steps)

    def rotate(self, device, steps):
        return drive(device, 1, ROTATE, steps)

    def move_away(self, device):
        return drive(device, 0, MOVE, 100, 60000)

    def stop(self, device):
        return device.stop()

    def stop_all(self, client):
        return client.stop_all_devices()

    # As steps (int) and as a share (float), which the library rounds away from zero.
    def outputs(self, hush, edge, nora, max_, solace):
        movement = ["FSetSite:16;", "FSetSite:32;", "FSetSite:48;", "FSetSite:50;"]
        return [
            ("10 steps", "one motor", drive(hush, 0, VIBRATE, 10), "Vibrate:10;"),
            ("51 percent", "one motor", drive(hush, 0, VIBRATE, 0.51), "Vibrate:11;"),
            ("the same once more", "one motor", drive(hush, 0, VIBRATE, 11)),
            ("zero", "one motor", drive(hush, 0, VIBRATE, 0), "Vibrate:0;"),
            ("first motor", "two motors", drive(edge, 0, VIBRATE, 13), "Vibrate1:13;"),
            ("second motor", "two motors", drive(edge, 1, VIBRATE, 1.0), "Vibrate2:20;"),
            (
                "both at once",
                "two motors",
                edge.run_output(DeviceOutputCommand(VIBRATE, 0.25)),
                *["Vibrate1:5;", "Vibrate2:5;"],
            ),
            ("motor", "rotation", drive(nora, 0, VIBRATE, 7), "Vibrate:7;"),
            ("clockwise", "rotation", drive(nora, 1, ROTATE, 12), "Rotate:12;"),
            ("the other way", "rotation", drive(nora, 1, ROTATE, -5), "RotateChange;", "Rotate:5;"),
            ("half speed, the same way", "rotation", drive(nora, 1, ROTATE, -0.5), "Rotate:10;"),
            ("rest", "rotation", drive(nora, 1, ROTATE, 0.0), "Rotate:0;"),
            ("full speed clockwise", "rotation", drive(nora, 1, ROTATE, 1.0), "RotateChange;", "Rotate:20;"),
            ("motor", "constriction", drive(max_, 0, VIBRATE, 20), "Vibrate:20;"),
            ("air 2 steps", "constriction", drive(max_, 1, CONSTRICT, 2), "Air:Level:2;"),
            ("air 100 percent", "constriction", drive(max_, 1, CONSTRICT, 1.0), "Air:Level:3;"),
            ("half way in 300 ms", "stroker", drive(solace, 0, MOVE, 0.5, 300), *movement),
            ("back at once", "stroker", drive(solace, 0, MOVE, 25, 0), "FSetSite:25;"),
            ("stroking", "stroker", drive(solace, 0, OSCILLATE, 0.5), "Mply:10:20;"),
        ]

    def stops(self, client):
        second_motor = client.devices[1].features[1]
        return [("one feature stopped", "two motors", second_motor.stop(), "Vibrate2:0;")]

    def mistakes(self, hush, edge, nora, max_, solace):
        return [
            ("step out of range", "ButtplugDeviceError", drive(hush, 0, VIBRATE, 21)),
            ("negative step", "ButtplugDeviceError", drive(hush, 0, VIBRATE, -1)),
            ("share out of range", "ButtplugDeviceError", drive(hush, 0, VIBRATE, 1.5)),
            ("no such output", "ButtplugDeviceError", drive(hush, 0, ROTATE, 1)),
            ("no such input of the feature", "ButtplugDeviceError", hush.features[0].battery()),
        ]

    refused = [
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
        ("a ping is answered", "no error", Ping(id=0)),
    ]

    async def send(self, client, message):
        reply = await client._send_device_message(message)
        if isinstance(reply, Error):
            raise error_from_code(reply.error_code, reply.error_message)

    def socket(self, client):
        return client._connector._ws

    async def gone(self, client):
        return await client.left.next() and not client.connected


run(session(Buttplug1()))
