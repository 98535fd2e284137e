// npm `buttplug` 3.x, protocol 3: actuators by index in the list of their command, values as shares of the range, which
// the server rounds up (positions down).
"use strict";
const { library, session } = require("./npm.js");
const { ActuatorType, ButtplugMessage, ScalarSubcommand } = library;
const { Vibrate, Rotate, Constrict } = ActuatorType;

// The library puts each entry's index into it.
const actuators = (...list) =>
  list.map(([ActuatorType, StepCount, FeatureDescriptor = ""], Index) => {
    return { ActuatorType, StepCount, FeatureDescriptor, Index };
  });
const can = (commands) => ({
  ...commands,
  SensorReadCmd: [{ SensorType: "Battery", SensorRange: [[0, 100]], FeatureDescriptor: "battery Level", Index: 0 }],
  StopDeviceCmd: {},
});
const STROKER = "Stroker position Based Movement";

// A message of any name with any fields, sent as the library sends its own.
function message(name, fields) {
  class Sent extends ButtplugMessage {
    static Name = name;
  }
  return Object.assign(new Sent(1), fields);
}

const scalars = (DeviceIndex, ...list) => [
  "ScalarCmd",
  { DeviceIndex, Scalars: list.map(([Index, Scalar, ActuatorType]) => ({ Index, Scalar, ActuatorType })) },
];
const rotation = (DeviceIndex, Index, Speed) => [
  "RotateCmd",
  { DeviceIndex, Rotations: [{ Index, Speed, Clockwise: true }] },
];
const movement = (DeviceIndex, Index, Position) => [
  "LinearCmd",
  { DeviceIndex, Vectors: [{ Index, Duration: 100, Position }] },
];
const sensor = (name, SensorType, DeviceIndex = 0) => [name, { DeviceIndex, SensorIndex: 0, SensorType }];
const scalar = (device, ...fields) => device.scalar(new ScalarSubcommand(...fields));

session({
  // No `refusedConnection`: where nobody listens it leaves the error of its socket unheard, which ends Node.
  devices: (client) => new Map(client.devices.map((device) => [device.index, device])),
  shows: {
    "one motor": can({ ScalarCmd: actuators(["Vibrate", 20]) }),
    "two motors": can({ ScalarCmd: actuators(["Vibrate", 20], ["Vibrate", 20]) }),
    rotation: can({ ScalarCmd: actuators(["Vibrate", 20], ["Rotate", 20]), RotateCmd: actuators(["Rotate", 20]) }),
    constriction: can({ ScalarCmd: actuators(["Vibrate", 20, "Vibrator"], ["Constrict", 3, "Air Pump"]) }),
    stroker: can({
      ScalarCmd: actuators(["Oscillate", 20, STROKER]),
      LinearCmd: actuators(["Position", 100, STROKER]),
    }),
  },
  describe: (device) => device.messageAttributes,
  battery: 0.85,
  vibrate: (device, steps) => device.vibrate(steps / 20),
  moveAway: (device) => device.linear(1, 60000),
  rotate: (device, steps) => device.rotate(Math.abs(steps) / 20, steps > 0),

  outputs: (hush, edge, nora, max, solace) => [
    ["half", "one motor", () => hush.vibrate(0.5), "Vibrate:10;"],
    ["51 percent is rounded up", "one motor", () => hush.vibrate(0.51), "Vibrate:11;"],
    ["the same once more", "one motor", () => hush.vibrate(0.505)],
    ["a trace is one step", "one motor", () => hush.vibrate(0.001), "Vibrate:1;"],
    ["less than a trace is none", "one motor", () => hush.vibrate(0.0000001), "Vibrate:0;"],
    [
      "the command of protocol 2",
      "one motor",
      () => hush.sendExpectOk(message("VibrateCmd", { Speeds: [{ Index: 0, Speed: 0.35 }] })),
      "Vibrate:7;",
    ],
    ["first motor", "two motors", () => scalar(edge, 0, 0.65, Vibrate), "Vibrate1:13;"],
    ["second motor", "two motors", () => scalar(edge, 1, 1, Vibrate), "Vibrate2:20;"],
    ["both alike", "two motors", () => edge.vibrate(0.25), "Vibrate1:5;", "Vibrate2:5;"],
    ["each its own", "two motors", () => edge.vibrate([0.5, 0.75]), "Vibrate1:10;", "Vibrate2:15;"],
    ["motor", "rotation", () => nora.vibrate(0.35), "Vibrate:7;"],
    ["clockwise", "rotation", () => nora.rotate(0.6, true), "Rotate:12;"],
    ["the other way", "rotation", () => nora.rotate([[0.25, false]]), "RotateChange;", "Rotate:5;"],
    ["as a scalar, always clockwise", "rotation", () => scalar(nora, 1, 1, Rotate), "RotateChange;", "Rotate:20;"],
    ["rest", "rotation", () => nora.rotate(0, false), "Rotate:0;"],
    ["motor", "constriction", () => max.vibrate(1), "Vibrate:20;"],
    ["a third is rounded up", "constriction", () => scalar(max, 1, 0.34, Constrict), "Air:Level:2;"],
    ["all air", "constriction", () => scalar(max, 1, 1, Constrict), "Air:Level:3;"],
    [
      "half way in 300 ms",
      "stroker",
      () => solace.linear(0.5, 300),
      ...["FSetSite:16;", "FSetSite:32;", "FSetSite:48;", "FSetSite:50;"],
    ],
    ["rounded down, in a fraction of a ms", "stroker", () => solace.linear([[0.259, 0.5]]), "FSetSite:25;"],
    ["stroking", "stroker", () => solace.oscillate(0.5), "Mply:10:20;"],
  ],

  stops: () => [],
  mistakes: (hush, edge) => [
    ["no such capability", "ButtplugDeviceError", () => hush.oscillate(1)],
    ["no rotation", "ButtplugDeviceError", () => hush.rotate(1, true)],
    ["no movement", "ButtplugDeviceError", () => hush.linear(1, 100)],
    ["more speeds than motors", "ButtplugDeviceError", () => edge.vibrate([1, 1, 1])],
    // It leaves the speed of the second out of the message.
    ["fewer speeds than motors, seen by the server", "ButtplugMessageError", () => edge.vibrate([1])],
    ["share out of range, seen by the server", "ButtplugDeviceError", () => hush.vibrate(1.5)],
  ],
  refused: [
    ["scalar above 1", "ButtplugDeviceError", ...scalars(0, [0, 1.01, "Vibrate"])],
    ["scalar below 0", "ButtplugDeviceError", ...scalars(0, [0, -0.1, "Vibrate"])],
    ["no such device", "ButtplugDeviceError", ...scalars(99, [0, 1, "Vibrate"])],
    ["no such actuator", "ButtplugDeviceError", ...scalars(0, [9, 1, "Vibrate"])],
    ["not this type of actuator", "ButtplugDeviceError", ...scalars(0, [0, 1, "Rotate"])],
    ["a type of actuator that nobody has", "ButtplugDeviceError", ...scalars(0, [0, 1, "Inflate"])],
    ["a good and a bad scalar", "ButtplugDeviceError", ...scalars(1, [0, 0.25, "Vibrate"], [9, 0.5, "Vibrate"])],
    ["no scalars", "ButtplugMessageError", ...scalars(0)],
    ["rotation above 1", "ButtplugMessageError", ...rotation(2, 0, 1.01)],
    ["no such rotation", "ButtplugDeviceError", ...rotation(2, 1, 1)],
    ["a device without rotation", "ButtplugDeviceError", ...rotation(0, 0, 1)],
    ["position above 1", "ButtplugMessageError", ...movement(4, 0, 1.1)],
    ["no such movement", "ButtplugDeviceError", ...movement(4, 1, 1)],
    ["a device without movement", "ButtplugDeviceError", ...movement(0, 0, 1)],
    ["no movements are fine", "no error", "LinearCmd", { DeviceIndex: 4, Vectors: [] }],
    ["no such sensor", "ButtplugDeviceError", ...sensor("SensorReadCmd", "RSSI")],
    ["no sensor of no device", "ButtplugDeviceError", ...sensor("SensorReadCmd", "Battery", 99)],
    ["a battery can't be subscribed", "ButtplugDeviceError", ...sensor("SensorSubscribeCmd", "Battery")],
    ["nor unsubscribed", "ButtplugDeviceError", ...sensor("SensorUnsubscribeCmd", "Battery")],
    ["stopping no such device", "ButtplugDeviceError", "StopDeviceCmd", { DeviceIndex: 99 }],
    ["a command of protocol 1", "ButtplugMessageError", "SingleMotorVibrateCmd", { DeviceIndex: 0, Speed: 1 }],
    ["a command of protocol 2", "ButtplugMessageError", "BatteryLevelCmd", { DeviceIndex: 0 }],
    ["a command of protocol 4", "ButtplugMessageError", "StopCmd", {}],
    [
      "raw bytes",
      "ButtplugMessageError",
      "RawWriteCmd",
      { DeviceIndex: 0, Endpoint: "tx", Data: [1], WriteWithResponse: false },
    ],
    ["an unknown message", "ButtplugMessageError", "Nonsense", {}],
    ["a second handshake", "ButtplugInitError", "RequestServerInfo", { ClientName: "again", MessageVersion: 3 }],
  ],
  send: (client, name, fields) => client.sendMessage(message(name, fields)),
  nameOf: (reply) => reply.constructor.Name,
});
