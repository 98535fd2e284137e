// What the versions of npm `buttplug` that speak protocol 4 have in common.
"use strict";
const { library } = require("./npm.js");
const { DeviceOutput, OutputType, InputType, InputCommandType } = library;
const { Vibrate, Rotate, Constrict, Oscillate, HwPositionWithDuration } = DeviceOutput;

// Of each kind of device its features: the outputs with their ranges, value before duration.
const BATTERY = "battery";
const VIBRATOR = { Vibrate: [0, 20] };
const FEATURES = {
  "one motor": [VIBRATOR, BATTERY],
  "two motors": [VIBRATOR, VIBRATOR, BATTERY],
  rotation: [VIBRATOR, { Rotate: [-20, 20] }, BATTERY],
  constriction: [VIBRATOR, { Constrict: [0, 3] }, BATTERY],
  stroker: [{ HwPositionWithDuration: [0, 100, 0, 100000], Oscillate: [0, 20] }, BATTERY],
};

const command = (device, index, type, value) => [
  "OutputCmd",
  { DeviceIndex: device, FeatureIndex: index, Command: { [type]: value } },
];
const input = (device, index, type, kind) => [
  "InputCmd",
  { DeviceIndex: device, FeatureIndex: index, Type: type, Command: kind },
];
const stop = (fields) => ["StopCmd", fields];

const REFUSED = [
  ["value above the range", "ButtplugDeviceError", ...command(0, 0, OutputType.Vibrate, { Value: 21 })],
  ["value below the range", "ButtplugDeviceError", ...command(0, 0, OutputType.Vibrate, { Value: -1 })],
  ["rotation below its range", "ButtplugDeviceError", ...command(2, 1, OutputType.Rotate, { Value: -21 })],
  [
    "position above its range",
    "ButtplugDeviceError",
    ...command(4, 0, "HwPositionWithDuration", { Value: 101, Duration: 9 }),
  ],
  ["no such device", "ButtplugDeviceError", ...command(99, 0, OutputType.Vibrate, { Value: 1 })],
  ["no such feature", "ButtplugDeviceError", ...command(0, 9, OutputType.Vibrate, { Value: 1 })],
  ["no such output", "ButtplugDeviceError", ...command(0, 0, OutputType.Rotate, { Value: 1 })],
  ["a kind of output that nobody has", "ButtplugDeviceError", ...command(0, 0, OutputType.Inflate, { Value: 1 })],
  ["an output of a sensor", "ButtplugDeviceError", ...command(0, 1, OutputType.Vibrate, { Value: 1 })],
  ["half a step", "ButtplugMessageError", ...command(0, 0, OutputType.Vibrate, { Value: 10.5 })],
  ["a command without a value", "ButtplugMessageError", ...command(0, 0, OutputType.Vibrate, {})],
  ["a movement without a duration", "ButtplugMessageError", ...command(4, 0, "HwPositionWithDuration", { Value: 1 })],
  ["no such input", "ButtplugDeviceError", ...input(0, 1, InputType.Pressure, InputCommandType.Read)],
  [
    "a battery can't be subscribed",
    "ButtplugDeviceError",
    ...input(0, 1, InputType.Battery, InputCommandType.Subscribe),
  ],
  ["stopping no such device", "ButtplugDeviceError", ...stop({ DeviceIndex: 99 })],
  ["stopping no such feature", "ButtplugDeviceError", ...stop({ DeviceIndex: 0, FeatureIndex: 9 })],
  ["a feature of no device", "ButtplugMessageError", ...stop({ FeatureIndex: 0 })],
  ["an unknown message", "ButtplugMessageError", "Nonsense", {}],
  ["a command of protocol 3", "ButtplugMessageError", "ScalarCmd", { DeviceIndex: 0, Scalars: [] }],
  [
    "a second handshake",
    "ButtplugInitError",
    "RequestServerInfo",
    { ClientName: "again", ProtocolVersionMajor: 4, ProtocolVersionMinor: 0 },
  ],
];

const drive = (device, index, command) => device.features.get(index).runOutput(command);
const send = (client, name, fields) => client.sendMessage({ [name]: { Id: 1, ...fields } });

// `steps` is what the version calls a value in steps, `shown(features)` what it shows of a device's features, `turns`
// are the rows for a rotation in percent, from 5 steps counter-clockwise.
const protocol4 = ({ steps, shown, turns, ...version }) => ({
  refusedConnection: "ButtplugClientConnectorException",
  devices: (client) => client.devices,
  shows: Object.fromEntries(Object.entries(FEATURES).map(([kind, features]) => [kind, shown(features)])),
  battery: 85,
  vibrate: (device, value) => drive(device, 0, Vibrate[steps](value)),
  moveAway: (device) => drive(device, 0, HwPositionWithDuration[steps](100, 60000)),
  rotate: (device, value) => drive(device, 1, Rotate[steps](value)),

  outputs: (hush, edge, nora, max, solace) => [
    ["10 steps", "one motor", () => drive(hush, 0, Vibrate[steps](10)), "Vibrate:10;"],
    ["51 percent", "one motor", () => drive(hush, 0, Vibrate.percent(0.51)), "Vibrate:11;"],
    ["the same once more", "one motor", () => drive(hush, 0, Vibrate[steps](11))],
    ["zero", "one motor", () => drive(hush, 0, Vibrate[steps](0)), "Vibrate:0;"],
    ["first motor", "two motors", () => drive(edge, 0, Vibrate[steps](13)), "Vibrate1:13;"],
    ["second motor", "two motors", () => drive(edge, 1, Vibrate.percent(1)), "Vibrate2:20;"],
    ["both at once", "two motors", () => edge.runOutput(Vibrate.percent(0.25)), "Vibrate1:5;", "Vibrate2:5;"],
    ["motor", "rotation", () => drive(nora, 0, Vibrate[steps](7)), "Vibrate:7;"],
    ["clockwise", "rotation", () => drive(nora, 1, Rotate[steps](12)), "Rotate:12;"],
    ["the other way", "rotation", () => drive(nora, 1, Rotate[steps](-5)), "RotateChange;", "Rotate:5;"],
    ...turns.map(([what, share, ...writes]) => [
      what,
      "rotation",
      () => drive(nora, 1, Rotate.percent(share)),
      ...writes,
    ]),
    ["motor", "constriction", () => drive(max, 0, Vibrate[steps](20)), "Vibrate:20;"],
    ["air 2 steps", "constriction", () => drive(max, 1, Constrict[steps](2)), "Air:Level:2;"],
    ["air 100 percent", "constriction", () => drive(max, 1, Constrict.percent(1)), "Air:Level:3;"],
    [
      "half way in 300 ms",
      "stroker",
      () => drive(solace, 0, HwPositionWithDuration[steps](50, 300)),
      ...["FSetSite:16;", "FSetSite:32;", "FSetSite:48;", "FSetSite:50;"],
    ],
    ["back at once", "stroker", () => drive(solace, 0, HwPositionWithDuration.percent(0.25, 0)), "FSetSite:25;"],
    ["stroking", "stroker", () => drive(solace, 0, Oscillate.percent(0.5)), "Mply:10:20;"],
  ],
  stops: (client) => [
    [
      "one feature stopped",
      "two motors",
      () => send(client, ...stop({ DeviceIndex: 1, FeatureIndex: 1 })),
      "Vibrate2:0;",
    ],
  ],
  refused: REFUSED,
  send,
  nameOf: (reply) => Object.keys(reply)[0],
  ...version,
});

module.exports = { protocol4, drive };
