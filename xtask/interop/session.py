"""A whole session with a Python library, unmodified, and a Lovense device of each kind: what all of them have in
common. What they differ in is handed in by each library's script."""

import asyncio
import json
import os
import pathlib
import time

from talk import check, dial_in, end_the_engine, error_of, hang_up, saw, saw_at_last, saw_at_least_once

URL = os.environ["INTEROP_URL"]
NOWHERE = "ws://127.0.0.1:1"
KINDS = json.loads(pathlib.Path(__file__).with_name("devices.json").read_text())


class Library:
    """What one library does, and what most have in common. Its script adds what they have not:

    NOBODY_LISTENS, GONE, NOT_CONNECTED   classes of errors: connecting, a device that is gone, after the end
    SHOWS                 what `shown(device)` gives of each kind of device, in the order in which they dial in
    BATTERY               what `battery(device)` reads of each device; None if there are no batteries
    PINGS                 whether it pings
    connect(url, name)    a new client, connected
    vibrate(device, steps), rotate(device, steps)   drive the first motor, the rotation; 20 steps are full speed
    move_away(device)     starts a movement to the far end that takes a minute
    stop(device), stop_all(client)
    facts(client)         rows of what is seen without devices: what, expected, came
    outputs(*devices), stops(client)   rows: what, kind of device, call, all writes that follow from it
    mistakes(*devices)    rows of what the library refuses: what, class of the error, call
    refused               rows of what the server refuses: what, class of the error, message
    send(client, message) sends it past the library's checks and raises an Error in reply as the library does
    socket(client)        the WebSocket under the client
    gone(client)          whether the client learns that the server has gone
    """

    def devices(self, client):
        return client.devices

    def connected(self, client):
        return client.connected

    def place(self, device):
        return [device.index, device.name]

    async def added(self, client, index):
        """The device that was just added, or None if the client does not learn of it within three seconds."""
        return await client.added.next()

    async def removed(self, client, device):
        """The device that was just removed, in the same way."""
        return await client.removed.next()

    async def start_scanning(self, client):
        await client.start_scanning()

    async def stop_scanning(self, client):
        """Whether the end of the scan is announced."""
        await client.stop_scanning()
        return await client.finished.next()

    async def disconnect(self, client):
        await client.disconnect()


async def expect(rows):
    for what, kind, call, *writes in rows:
        await call
        await saw(f"{kind}: {what}", kind, *writes)


async def expect_stopped(how, kinds, saw=saw):
    for kind in kinds:
        await saw(f"{kind}: {how}", kind, *KINDS[kind]["zeros"])


async def session(library):
    kinds = list(library.SHOWS)
    indexes = list(range(len(kinds)))
    name = KINDS["one motor"]["name"]

    # Connecting.
    lost = library.connect(NOWHERE, "lost")
    await check("connecting where nobody listens", library.NOBODY_LISTENS, await error_of(lost))
    client = await library.connect(URL, "interop")
    connected = time.monotonic()
    for what, expected, came in await library.facts(client):
        await check(what, expected, came)
    await check("no devices at first", {}, library.devices(client))

    # Scanning.
    await library.start_scanning(client)
    for index, kind in enumerate(kinds):
        await dial_in(kind)
        device = await library.added(client, index)
        await check(f"{kind}: added under its index and name", [index, KINDS[kind]["name"]], library.place(device))
        await check(f"{kind}: what it can do", library.SHOWS[kind], library.shown(device))
        await saw(f"{kind}: asked for its type, once", kind, "DeviceType;")
    await check("the end of the scan is announced", True, await library.stop_scanning(client))
    devices = [library.devices(client)[index] for index in indexes]
    one_motor, two_motors, _, _, stroker = devices

    # Outputs and inputs.
    await expect(library.outputs(*devices))
    for device, kind in zip(devices, kinds):
        if library.BATTERY is not None:
            await check(f"{kind}: battery", library.BATTERY, await library.battery(device))
            await saw(f"{kind}: asked for its battery, once", kind, "Battery;")

    # Errors that the library finds itself, then those that the server finds.
    for what, expected, call in library.mistakes(*devices):
        await check(f"library: {what}", expected, await error_of(call))
    for what, expected, message in library.refused:
        await check(f"server: {what}", expected, await error_of(library.send(client, message)))
    for kind in kinds:
        await saw(f"{kind}: nothing reached it of all that", kind)

    # Stopping.
    await expect(library.stops(client))
    await library.stop(two_motors)
    await expect_stopped("stopped", ["two motors"])
    await library.move_away(stroker)
    await library.stop(stroker)
    await expect_stopped("stopped on its way", ["stroker"], saw_at_last)
    await library.vibrate(one_motor, 9)
    await saw("one motor: running", "one motor", "Vibrate:9;")
    await library.stop_all(client)
    await expect_stopped("stopped with all", kinds)

    # A device that goes and comes back.
    await hang_up("one motor")
    removed = await library.removed(client, one_motor)
    await check("one motor: its loss is announced", [0, name], removed and library.place(removed))
    late = await error_of(library.vibrate(one_motor, 5))
    await check("one motor: commands to it are errors", library.GONE, late)
    await dial_in("one motor")
    returned = await library.added(client, 0)
    await check("one motor: back under its index", [0, name], returned and library.place(returned))
    await saw("one motor: asked for its type and told to rest", "one motor", "DeviceType;", "Vibrate:0;")

    # A second client, lost while a device runs. What the first set in motion goes on.
    second = await library.connect(URL, "second")
    await check("a second client sees the same devices", indexes, sorted(library.devices(second)))
    await library.vibrate(returned, 4)
    await saw("one motor: driven by the first", "one motor", "Vibrate:4;")
    await library.rotate(library.devices(second)[2], 3)
    await saw("rotation: driven by the second", "rotation", "Rotate:3;")
    await library.move_away(library.devices(second)[4])
    library.socket(second).transport.abort()
    await saw("rotation: the loss of its client stops it", "rotation", "Rotate:0;")
    await expect_stopped("the loss of its client stops it", ["stroker"], saw_at_last)
    await saw("one motor: runs on", "one motor")

    # Goodbye. The library says nothing when it goes, it just closes.
    if library.PINGS:
        await asyncio.sleep(max(0.0, connected + 4.5 - time.monotonic()))
        await check(
            "its pings kept the session alive for longer than the watchdog's 2 s", True, library.connected(client)
        )
    await library.disconnect(client)
    await check("disconnected", False, library.connected(client))
    await saw("one motor: stopped by the goodbye", "one motor", "Vibrate:0;")

    # The server goes away under a connected client.
    last = await library.connect(URL, "last")
    await check("devices outlive a client", indexes, sorted(library.devices(last)))
    await library.vibrate(library.devices(last)[0], 15)
    await saw("one motor: running at the end", "one motor", "Vibrate:15;")
    await check("the engine ends in order", 0, await end_the_engine())
    await check("its going is noticed", True, await library.gone(last))
    await expect_stopped("stopped by the end of the engine", kinds, saw_at_least_once)
    await check("commands after the end", library.NOT_CONNECTED, await error_of(library.stop_all(last)))
