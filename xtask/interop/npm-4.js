// npm `buttplug` 4.x, protocol 4: sends every value as a list of one, and leaves the checking of it to the server.
"use strict";
const { library, session } = require("./npm.js");
const { protocol4, drive } = require("./npm-protocol-4.js");
const { Vibrate, Rotate, HwPositionWithDuration } = library.DeviceOutput;
const { OutputType, InputType } = library;

session(
  protocol4({
    steps: "steps",
    // It says what a feature has, but no ranges.
    shown: (features) =>
      features.map((feature) =>
        feature === "battery"
          ? { outputs: [], inputs: ["Battery"] }
          : { outputs: Object.keys(feature).sort(), inputs: [] },
      ),
    describe: (device) =>
      [...device.features.values()].map((feature) => ({
        outputs: Object.values(OutputType)
          .filter((type) => feature.hasOutput(type))
          .sort(),
        inputs: Object.values(InputType).filter((type) => feature.hasInput(type)),
      })),
    turns: [
      ["50 percent is half speed clockwise", 0.5, "RotateChange;", "Rotate:10;"],
      ["100 percent is full speed", 1, "Rotate:20;"],
    ],
    mistakes: (hush, edge, nora, max, solace) => [
      ["step out of range, seen by the server", "ButtplugDeviceError", () => drive(hush, 0, Vibrate.steps(21))],
      ["half a step, seen by the server", "ButtplugMessageError", () => drive(hush, 0, Vibrate.steps(10.5))],
      ["no such output", "ButtplugDeviceError", () => drive(hush, 0, Rotate.steps(1))],
      ["percent out of range", "ButtplugDeviceError", async () => Vibrate.percent(1.5)],
      ["no duration", "ButtplugDeviceError", () => drive(solace, 0, HwPositionWithDuration.steps(1))],
    ],
  }),
);
