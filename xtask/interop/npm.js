// A whole session with npm `buttplug`, unmodified, and a Lovense device of each kind: what all versions of the library
// have in common. What they differ in is handed in by each version's script.
"use strict";
const path = require("node:path");
const {
  check,
  saw,
  sawAtLeastOnce,
  sawAtLast,
  dialIn,
  hangUp,
  endTheEngine,
  errorOf,
  next,
  run,
} = require("./talk.js");
const KINDS = require("./devices.json");
const library = require(require.resolve("buttplug", { paths: [path.resolve(process.env.INTEROP_MODULES)] }));
const { ButtplugClient, ButtplugNodeWebsocketClientConnector } = library;

async function connected(name) {
  const client = new ButtplugClient(name);
  const connector = new ButtplugNodeWebsocketClientConnector(process.env.INTEROP_URL);
  await client.connect(connector);
  return { client, connector };
}

// `version` is what one version of the library does:
//
//     refusedConnection      optional: the class of the error where nobody listens
//     serverInfo             optional: what a client says about the server
//     devices(client)        its devices by index
//     shows                  what `describe(device)` gives of each kind of device, in the order in which they dial in
//     battery                what each device's battery reads
//     vibrate(device, steps), rotate(device, steps)   drives the first motor, the rotation; 20 steps are full speed
//     moveAway(device)       starts a movement to the far end that takes a minute
//     outputs(...devices), stops(client)              rows: what, kind of device, call, all writes that follow from it
//     mistakes(...devices)   rows of what the library refuses: what, class of the error, call
//     refused                rows of what the server refuses: what, class of the error, name and fields of the message
//     send(client, name, fields)                      sends such a message past the library's checks
//     nameOf(reply)          the name of the message that came in reply
function session(version) {
  const { vibrate, rotate, send } = version;
  const kinds = Object.keys(version.shows);

  const expect = async (rows) => {
    for (const [what, kind, call, ...writes] of rows) {
      await call();
      await saw(`${kind}: ${what}`, kind, ...writes);
    }
  };
  const expectStopped = async (how, among) => {
    for (const kind of among) {
      await saw(`${kind}: ${how}`, kind, ...KINDS[kind].zeros);
    }
  };
  const indexes = kinds.map((_, index) => index);
  const indexesOf = (client) => [...version.devices(client).keys()].sort();

  run(async () => {
    // Connecting.
    if (version.refusedConnection) {
      const nobody = new ButtplugNodeWebsocketClientConnector("ws://127.0.0.1:1");
      const lost = await errorOf(() => new ButtplugClient("lost").connect(nobody));
      await check("connecting where nobody listens", version.refusedConnection, lost);
    }
    const { client } = await connected("interop");
    await check("connected", true, client.connected);
    if (version.serverInfo) {
      await check("server info", version.serverInfo, client.serverInfo);
    }
    await check("no devices at first", 0, version.devices(client).size);

    // Scanning.
    await client.startScanning();
    await check("scanning", true, client.isScanning);
    for (const [index, kind] of kinds.entries()) {
      const added = next(client, "deviceadded");
      await dialIn(kind);
      const device = await added;
      await check(`${kind}: added under its index and name`, [index, KINDS[kind].name], [device?.index, device?.name]);
      await check(`${kind}: what it can do`, version.shows[kind], version.describe(device));
      await check(`${kind}: no name given by a person`, null, device.displayName);
      await check(`${kind}: a pause between messages, as of all that dial in`, 50, device.messageTimingGap);
      await saw(`${kind}: asked for its type, once`, kind, "DeviceType;");
    }
    const finished = next(client, "scanningfinished");
    await client.stopScanning();
    await check("the end of the scan is announced", true, (await finished) !== null);
    const devices = indexes.map((index) => version.devices(client).get(index));
    const [oneMotor, twoMotors, , , stroker] = devices;

    // Outputs and inputs.
    await expect(version.outputs(...devices));
    for (const [index, kind] of kinds.entries()) {
      await check(`${kind}: battery`, version.battery, await devices[index].battery());
      await saw(`${kind}: asked for its battery, once`, kind, "Battery;");
    }

    // Errors that the library finds itself, then the same past its checks, as the server answers them.
    for (const [what, expected, call] of version.mistakes(...devices)) {
      await check(`library: ${what}`, expected, await errorOf(call));
    }
    for (const [what, expected, name, fields] of version.refused) {
      await check(`server: ${what}`, expected, await errorOf(() => send(client, name, fields)));
    }
    await check("a ping is answered", "Ok", version.nameOf(await send(client, "Ping", {})));
    for (const kind of kinds) {
      await saw(`${kind}: nothing reached it of all that`, kind);
    }

    // Stopping.
    await expect(version.stops(client));
    await twoMotors.stop();
    await expectStopped("stopped", ["two motors"]);
    await version.moveAway(stroker);
    await stroker.stop();
    await sawAtLast("stroker: stopped on its way", "stroker", ...KINDS.stroker.zeros);
    await vibrate(oneMotor, 9);
    await saw("one motor: running", "one motor", "Vibrate:9;");
    await client.stopAllDevices();
    await expectStopped("stopped with all", kinds);

    // A device that goes and comes back.
    const removed = next(client, "deviceremoved");
    await hangUp("one motor");
    await check("one motor: its loss is announced", KINDS["one motor"].name, (await removed)?.name);
    const late = await errorOf(() => vibrate(oneMotor, 5));
    await check("one motor: commands to it are errors", "ButtplugDeviceError", late);
    const back = next(client, "deviceadded");
    await dialIn("one motor");
    const returned = await back;
    await check("one motor: back under its index", [0, KINDS["one motor"].name], [returned?.index, returned?.name]);
    await saw("one motor: asked for its type and told to rest", "one motor", "DeviceType;", "Vibrate:0;");

    // A second client, lost while a device runs. What the first set in motion goes on.
    const second = await connected("second");
    await check("a second client sees the same devices", indexes, indexesOf(second.client));
    await vibrate(returned, 4);
    await saw("one motor: driven by the first", "one motor", "Vibrate:4;");
    await rotate(version.devices(second.client).get(2), 3);
    await saw("rotation: driven by the second", "rotation", "Rotate:3;");
    await version.moveAway(version.devices(second.client).get(4));
    // Without a goodbye: the socket under the library is torn down.
    second.connector._ws.terminate();
    await saw("rotation: the loss of its client stops it", "rotation", "Rotate:0;");
    await sawAtLast("stroker: the loss of its client stops it", "stroker", ...KINDS.stroker.zeros);
    await saw("one motor: runs on", "one motor");

    // Goodbye. The library stops all devices before it closes.
    const left = next(client, "disconnect");
    await client.disconnect();
    await check("disconnected", [true, false], [(await left) !== null, client.connected]);
    await expectStopped("stopped by the goodbye", kinds);

    // The server goes away under a connected client.
    const { client: last } = await connected("last");
    await check("devices outlive a client", indexes, indexesOf(last));
    await vibrate(version.devices(last).get(0), 15);
    await saw("one motor: running at the end", "one motor", "Vibrate:15;");
    const gone = next(last, "disconnect");
    await check("the engine ends in order", 0, await endTheEngine());
    await check("its going is announced", true, (await gone) !== null);
    for (const kind of kinds) {
      await sawAtLeastOnce(`${kind}: stopped by the end of the engine`, kind, ...KINDS[kind].zeros);
    }
    const after = await errorOf(() => last.stopAllDevices());
    await check("commands after the end", "ButtplugClientConnectorException", after);
  });
}

module.exports = { library, session };
