// npm `buttplug` 5.x, unmodified, through a whole session with four Lovense devices.
"use strict";
const path = require("node:path");
const { check, saw, sawAtLeastOnce, dialIn, hangUp, endTheEngine, errorOf, next, run } = require("./talk.js");
const library = require(require.resolve("buttplug", { paths: [path.resolve(process.env.INTEROP_MODULES)] }));
const { ButtplugClient, ButtplugNodeWebsocketClientConnector, DeviceOutput, OutputType, InputType, InputCommandType } =
  library;
const url = process.env.INTEROP_URL;

const BATTERY = { Battery: { range: [0, 100], commands: ["Read"] } };
const vibrator = (index) => ({ index, outputs: { Vibrate: [0, 20] }, inputs: {} });
const battery = (index) => ({ index, outputs: {}, inputs: BATTERY });
const DEVICES = [
  { kind: "one motor", name: "Lovense Hush", features: [vibrator(0), battery(1)] },
  { kind: "two motors", name: "Lovense Edge", features: [vibrator(0), vibrator(1), battery(2)] },
  {
    kind: "rotation",
    name: "Lovense Nora",
    features: [vibrator(0), { index: 1, outputs: { Rotate: [-20, 20] }, inputs: {} }, battery(2)],
  },
  {
    kind: "constriction",
    name: "Lovense Max",
    features: [vibrator(0), { index: 1, outputs: { Constrict: [0, 3] }, inputs: {} }, battery(2)],
  },
];
// The zeros of each, in the order in which they go out.
const ZEROS = {
  "one motor": ["Vibrate:0;"],
  "two motors": ["Vibrate1:0;", "Vibrate2:0;"],
  rotation: ["Vibrate:0;", "Rotate:0;"],
  constriction: ["Vibrate:0;", "Air:Level:0;"],
};

function featuresOf(device) {
  return [...device.features.values()].map((feature) => ({
    index: feature.index,
    outputs: Object.fromEntries([...feature.outputs].map(([type, output]) => [type, [...output.valueRange]])),
    // The library takes the list of ranges for one range, so the range is its first bound.
    inputs: Object.fromEntries(
      [...feature.inputs].map(([type, input]) => [type, { range: input.valueRange[0], commands: [...input.commands] }]),
    ),
  }));
}

async function connected(name) {
  const client = new ButtplugClient(name);
  const connector = new ButtplugNodeWebsocketClientConnector(url);
  await client.connect(connector);
  return { client, connector };
}

run(async () => {
  // Connecting.
  const nobody = new ButtplugNodeWebsocketClientConnector("ws://127.0.0.1:1");
  await check(
    "connecting where nobody listens",
    "ButtplugClientConnectorException",
    await errorOf(() => new ButtplugClient("lost").connect(nobody)),
  );
  const { client, connector } = await connected("interop");
  await check("connected", true, client.connected);
  await check(
    "server info",
    { serverName: "Engine under test", maxPingTime: 0, protocolVersionMajor: 4, protocolVersionMinor: 0 },
    client.serverInfo,
  );
  await check("no devices at first", 0, client.devices.size);

  // Scanning.
  await client.startScanning();
  await check("scanning", true, client.isScanning);
  for (const [index, { kind, name, features }] of DEVICES.entries()) {
    const added = next(client, "deviceadded");
    await dialIn(kind);
    const device = await added;
    await check(`${kind}: added under its index and name`, [index, name], [device?.index, device?.name]);
    await check(`${kind}: features and ranges`, features, featuresOf(device));
    await check(`${kind}: no name given by a person`, null, device.displayName);
    await saw(`${kind}: asked for its type, once`, kind, "DeviceType;");
  }
  const finished = next(client, "scanningfinished");
  await client.stopScanning();
  await check("the end of the scan is announced", true, (await finished) !== null);
  const [hush, edge, nora, max] = [0, 1, 2, 3].map((index) => client.devices.get(index));
  const feature = (device, index) => device.features.get(index);

  // Outputs as steps and as percent, which the library rounds up.
  const output = async (what, device, kind, index, command, ...writes) => {
    await feature(device, index).runOutput(command);
    await saw(`${kind}: ${what}`, kind, ...writes);
  };
  const { Vibrate, Rotate, Constrict } = DeviceOutput;
  await output("10 steps", hush, "one motor", 0, Vibrate.value(10), "Vibrate:10;");
  await output("51 percent", hush, "one motor", 0, Vibrate.percent(0.51), "Vibrate:11;");
  await output("the same once more", hush, "one motor", 0, Vibrate.value(11));
  await output("zero", hush, "one motor", 0, Vibrate.value(0), "Vibrate:0;");
  await output("first motor", edge, "two motors", 0, Vibrate.value(13), "Vibrate1:13;");
  await output("second motor", edge, "two motors", 1, Vibrate.percent(1), "Vibrate2:20;");
  await edge.runOutput(Vibrate.percent(0.25));
  await saw("two motors: both at once", "two motors", "Vibrate1:5;", "Vibrate2:5;");
  await output("motor", nora, "rotation", 0, Vibrate.value(7), "Vibrate:7;");
  await output("clockwise", nora, "rotation", 1, Rotate.value(12), "Rotate:12;");
  await output("the other way", nora, "rotation", 1, Rotate.value(-5), "RotateChange;", "Rotate:5;");
  await output("the middle of the range is rest", nora, "rotation", 1, Rotate.percent(0.5), "Rotate:0;");
  await output("its end is full speed", nora, "rotation", 1, Rotate.percent(1), "RotateChange;", "Rotate:20;");
  await output("motor", max, "constriction", 0, Vibrate.value(20), "Vibrate:20;");
  await output("air 2 steps", max, "constriction", 1, Constrict.value(2), "Air:Level:2;");
  await output("air 100 percent", max, "constriction", 1, Constrict.percent(1), "Air:Level:3;");

  // Inputs.
  for (const [index, { kind }] of DEVICES.entries()) {
    await check(`${kind}: battery`, 85, await client.devices.get(index).battery());
    await saw(`${kind}: asked for its battery, once`, kind, "Battery;");
  }

  // Errors that the library finds itself, then the same past its checks, as the server answers them.
  const drive = (device, index, command) => errorOf(() => feature(device, index).runOutput(command));
  await check("library: step out of range", "ButtplugDeviceError", await drive(hush, 0, Vibrate.value(21)));
  await check("library: no such output", "ButtplugDeviceError", await drive(hush, 0, Rotate.value(1)));
  await check(
    "library: percent out of range",
    "ButtplugDeviceError",
    await errorOf(async () => Vibrate.percent(1.5)),
  );
  const command = (device, index, type, value) => ({
    OutputCmd: { Id: 1, DeviceIndex: device, FeatureIndex: index, Command: { [type]: value } },
  });
  const input = (device, index, type, kind) => ({
    InputCmd: { Id: 1, DeviceIndex: device, FeatureIndex: index, Type: type, Command: kind },
  });
  const handshake = { ClientName: "again", ProtocolVersionMajor: 4, ProtocolVersionMinor: 0 };
  const refused = [
    ["value above the range", "ButtplugDeviceError", command(0, 0, OutputType.Vibrate, { Value: 21 })],
    ["value below the range", "ButtplugDeviceError", command(0, 0, OutputType.Vibrate, { Value: -1 })],
    ["rotation below its range", "ButtplugDeviceError", command(2, 1, OutputType.Rotate, { Value: -21 })],
    ["no such device", "ButtplugDeviceError", command(99, 0, OutputType.Vibrate, { Value: 1 })],
    ["no such feature", "ButtplugDeviceError", command(0, 9, OutputType.Vibrate, { Value: 1 })],
    ["no such output", "ButtplugDeviceError", command(0, 0, OutputType.Rotate, { Value: 1 })],
    ["a kind of output that nobody has", "ButtplugDeviceError", command(0, 0, OutputType.Inflate, { Value: 1 })],
    ["an output of a sensor", "ButtplugDeviceError", command(0, 1, OutputType.Vibrate, { Value: 1 })],
    ["half a step", "ButtplugMessageError", command(0, 0, OutputType.Vibrate, { Value: 10.5 })],
    ["a command without a value", "ButtplugMessageError", command(0, 0, OutputType.Vibrate, {})],
    ["no such input", "ButtplugDeviceError", input(0, 1, InputType.Pressure, InputCommandType.Read)],
    ["a battery can't be subscribed", "ButtplugDeviceError", input(0, 1, InputType.Battery, InputCommandType.Subscribe)],
    ["stopping no such device", "ButtplugDeviceError", { StopCmd: { Id: 1, DeviceIndex: 99 } }],
    ["stopping no such feature", "ButtplugDeviceError", { StopCmd: { Id: 1, DeviceIndex: 0, FeatureIndex: 9 } }],
    ["a feature of no device", "ButtplugMessageError", { StopCmd: { Id: 1, FeatureIndex: 0 } }],
    ["an unknown message", "ButtplugMessageError", { Nonsense: { Id: 1 } }],
    ["a second handshake", "ButtplugInitError", { RequestServerInfo: { Id: 1, ...handshake } }],
  ];
  for (const [what, expected, message] of refused) {
    await check(`server: ${what}`, expected, await errorOf(() => client.sendMessage(message)));
  }
  await check("a ping is answered", "Ok", Object.keys(await client.sendMessage({ Ping: { Id: 1 } }))[0]);
  for (const { kind } of DEVICES) {
    await saw(`${kind}: nothing reached it of all that`, kind);
  }

  // Stopping.
  await client.sendMessage({ StopCmd: { Id: 1, DeviceIndex: 1, FeatureIndex: 1 } });
  await saw("two motors: one feature stopped", "two motors", "Vibrate2:0;");
  await edge.stop();
  await saw("two motors: stopped", "two motors", ...ZEROS["two motors"]);
  await feature(hush, 0).runOutput(Vibrate.value(9));
  await saw("one motor: running", "one motor", "Vibrate:9;");
  await client.stopAllDevices();
  for (const { kind } of DEVICES) {
    await saw(`${kind}: stopped with all`, kind, ...ZEROS[kind]);
  }

  // A device that goes and comes back.
  const removed = next(client, "deviceremoved");
  await hangUp("one motor");
  await check("one motor: its loss is announced", "Lovense Hush", (await removed)?.name);
  await check(
    "one motor: commands to it are errors",
    "ButtplugDeviceError",
    await errorOf(() => feature(hush, 0).runOutput(Vibrate.value(5))),
  );
  const back = next(client, "deviceadded");
  await dialIn("one motor");
  const returned = await back;
  await check("one motor: back under its index", [0, "Lovense Hush"], [returned?.index, returned?.name]);
  await saw("one motor: asked for its type and told to rest", "one motor", "DeviceType;", "Vibrate:0;");

  // A second client, lost while a device runs. What the first set in motion goes on.
  const second = await connected("second");
  await check("a second client sees the same devices", [0, 1, 2, 3], [...second.client.devices.keys()].sort());
  await feature(returned, 0).runOutput(Vibrate.value(4));
  await saw("one motor: driven by the first", "one motor", "Vibrate:4;");
  await feature(second.client.devices.get(2), 1).runOutput(Rotate.value(3));
  await saw("rotation: driven by the second", "rotation", "Rotate:3;");
  // Without a goodbye: the socket under the library is torn down.
  second.connector._ws.terminate();
  await saw("rotation: the loss of its client stops it", "rotation", "Rotate:0;");
  await saw("one motor: runs on", "one motor");

  // Goodbye.
  const left = next(client, "disconnect");
  await client.disconnect();
  await check("disconnected", [true, false], [(await left) !== null, client.connected]);
  await saw("one motor: stopped by the goodbye", "one motor", "Vibrate:0;");
  for (const kind of ["two motors", "rotation", "constriction"]) {
    await saw(`${kind}: stopped by the goodbye`, kind, ...ZEROS[kind]);
  }

  // The server goes away under a connected client.
  const { client: last } = await connected("last");
  await check("devices outlive a client", [0, 1, 2, 3], [...last.devices.keys()].sort());
  await feature(last.devices.get(0), 0).runOutput(Vibrate.value(15));
  await saw("one motor: running at the end", "one motor", "Vibrate:15;");
  const gone = next(last, "disconnect");
  await check("the engine ends in order", 0, await endTheEngine());
  await check("its going is announced", true, (await gone) !== null);
  for (const { kind } of DEVICES) {
    await sawAtLeastOnce(`${kind}: stopped by the end of the engine`, kind, ...ZEROS[kind]);
  }
  await check(
    "commands after the end",
    "ButtplugClientConnectorException",
    await errorOf(() => last.stopAllDevices()),
  );
});
