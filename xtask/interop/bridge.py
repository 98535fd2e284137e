"""The example of a bridge in examples/bridges, as it is, beside a client that speaks plain WebSocket: the vibrator that
it plays is found, driven, read, stopped and let go of."""

import asyncio
import json
import os
import pathlib
import sys

from websockets.asyncio.client import connect

from talk import check, end_the_engine, run

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/bridges/bridge.py"
VERSION = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}

# Longest wait for anything.
PATIENCE = 5


async def main():
    ids = iter(range(1, 1000))
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), "--url", os.environ["INTEROP_DEVICES_URL"], stdout=asyncio.subprocess.PIPE
    )

    async def said():
        line = await asyncio.wait_for(bridge.stdout.readline(), PATIENCE)
        return line.decode().strip()

    async with connect(os.environ["INTEROP_URL"]) as client:

        async def ask(kind, **fields):
            """The reply; what the server says by itself is passed over."""
            request = {"Id": next(ids), **fields}
            await client.send(json.dumps([{kind: request}]))
            while True:
                for message in json.loads(await asyncio.wait_for(client.recv(), PATIENCE)):
                    ((name, reply),) = message.items()
                    if reply["Id"] == request["Id"]:
                        return name, reply

        await ask("RequestServerInfo", ClientName="bridge", **VERSION)
        await check("the bridge is accepted", "driven as lovense", await said())
        await check("its hardware is asked what it is", "told DeviceType;", await said())
        devices = {}
        while not devices:
            devices = (await ask("RequestDeviceList"))[1]["Devices"]
        ((index, device),) = devices.items()
        await check("the device", "Lovense Hush", device["DeviceName"])
        place = {"DeviceIndex": int(index), "FeatureIndex": 0}
        await ask("OutputCmd", **place, Command={"Vibrate": {"Value": 5}})
        await check("a vibration", "told Vibrate:5;", await said())
        features = device["DeviceFeatures"].values()
        battery = next(feature for feature in features if "Battery" in feature.get("Input", {}))
        place = {"DeviceIndex": int(index), "FeatureIndex": battery["FeatureIndex"]}
        _, reading = await ask("InputCmd", **place, Type="Battery", Command="Read")
        await check("the battery", 85, reading["Reading"]["Battery"]["Value"])
        await check("the battery is read from the hardware", "told Battery;", await said())
        await ask("StopCmd")
        await check("a stop", "told Vibrate:0;", await said())
    await check("the engine ends", 0, await end_the_engine())
    rest = [line.decode().strip() for line in (await asyncio.wait_for(bridge.stdout.read(), PATIENCE)).splitlines()]
    await check("the hardware is stopped again and let go of", ["told Vibrate:0;", "let go"], sorted({*rest}, reverse=True))
    await check("the bridge ends in order", 0, await asyncio.wait_for(bridge.wait(), PATIENCE))


run(main())
