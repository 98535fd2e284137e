// npm `buttplug` 5.x, protocol 4: shows the ranges of outputs and inputs, and checks a value against its range itself.
"use strict";
const { library, session } = require("./npm.js");
const { protocol4, drive } = require("./npm-protocol-4.js");
const { Vibrate, Rotate, HwPositionWithDuration } = library.DeviceOutput;

// The library takes the list of ranges for one range, so the range is its first bound.
const BATTERY = { range: [0, 100], commands: ["Read"] };

session(
  protocol4({
    steps: "value",
    serverInfo: { serverName: "Engine under test", maxPingTime: 0, protocolVersionMajor: 4, protocolVersionMinor: 0 },
    shown: (features) =>
      features.map((feature, index) =>
        feature === "battery"
          ? { index, outputs: {}, inputs: { Battery: BATTERY } }
          : { index, outputs: feature, inputs: {} },
      ),
    describe: (device) =>
      [...device.features.values()].map(({ index, outputs, inputs }) => ({
        index,
        outputs: Object.fromEntries(
          [...outputs].map(([type, output]) => [type, [...output.valueRange, ...(output.durationRange ?? [])]]),
        ),
        inputs: Object.fromEntries(
          [...inputs].map(([type, input]) => [type, { range: input.valueRange[0], commands: [...input.commands] }]),
        ),
      })),
    turns: [
      ["the middle of the range is rest", 0.5, "Rotate:0;"],
      ["its end is full speed", 1, "RotateChange;", "Rotate:20;"],
    ],
    mistakes: (hush, edge, nora, max, solace) => [
      ["step out of range", "ButtplugDeviceError", () => drive(hush, 0, Vibrate.value(21))],
      ["no such output", "ButtplugDeviceError", () => drive(hush, 0, Rotate.value(1))],
      ["percent out of range", "ButtplugDeviceError", async () => Vibrate.percent(1.5)],
      ["duration out of range", "ButtplugDeviceError", () => drive(solace, 0, HwPositionWithDuration.value(1, 100001))],
    ],
  }),
);
