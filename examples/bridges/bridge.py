"""A bridge: offers one Bluetooth device to the device port of the engine, which then drives it as if its own radio
had found it.

    python3 bridge.py                 a vibrator that exists only here; prints what it is told
    python3 bridge.py --bleak LVS-    the first device in range whose name begins so

Needs `pip install websockets`, and `bleak` for a real radio. The engine has to listen on port 54817, as
`buttplug serve` does; where it is started by flags alone, without `serve`, or with others that say where to look for
devices, it needs --use-device-websocket-server.
"""

import argparse
import asyncio
import contextlib
import json
import signal

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

# How long writes under way may take when the connection has ended, in seconds.
LAST_WRITES = 2

SERVICE, RX, TX = (f"0000fff{n}-0000-1000-8000-00805f9b34fb" for n in (0, 1, 2))


class Simulated:
    """A Lovense Hush without a radio. What a bridge needs of hardware is what this class has."""

    greeting = {
        "address": "02:00:00:00:00:01",
        "name": "LVS-Z001",
        "services": {SERVICE: [RX, TX]},
    }

    def __init__(self):
        self.notify = None
        self.gone = asyncio.Event()

    async def write(self, characteristic, data, response):
        print("told", data.decode(), flush=True)
        answer = {b"DeviceType;": b"Z:11:020000000001;", b"Battery;": b"85;"}.get(data, b"OK;")
        if self.notify:
            self.notify(RX, answer)

    async def read(self, characteristic):
        raise ValueError("this characteristic can't be read")

    async def subscribe(self, characteristic, notify):
        self.notify = notify

    async def unsubscribe(self, characteristic):
        self.notify = None

    async def disconnect(self):
        print("let go", flush=True)


class Radio:
    """Hardware that bleak reaches with this machine's radio."""

    @classmethod
    async def find(cls, prefix):
        import bleak

        def fits(_device, advertisement):
            return (advertisement.local_name or "").startswith(prefix)

        device = await bleak.BleakScanner.find_device_by_filter(fits, timeout=30)
        if device is None:
            raise SystemExit(f"no device whose name begins with {prefix!r} is in range")
        self = cls()
        self.gone = asyncio.Event()
        self.client = bleak.BleakClient(device, disconnected_callback=lambda _: self.gone.set())
        await self.client.connect()
        services = {
            service.uuid.lower(): [characteristic.uuid.lower() for characteristic in service.characteristics]
            for service in self.client.services
        }
        self.greeting = {"address": device.address, "name": device.name or "", "services": services}
        return self

    async def write(self, characteristic, data, response):
        # Some characteristics take only one of the two kinds of writes.
        there = self.client.services.get_characteristic(characteristic).properties
        response = "write" in there if response else "write-without-response" not in there
        await self.client.write_gatt_char(characteristic, data, response=response)

    async def read(self, characteristic):
        return bytes(await self.client.read_gatt_char(characteristic))

    async def subscribe(self, characteristic, notify):
        await self.client.start_notify(characteristic, lambda _, data: notify(characteristic, bytes(data)))

    async def unsubscribe(self, characteristic):
        await self.client.stop_notify(characteristic)

    async def disconnect(self):
        await self.client.disconnect()


async def carry_out(hardware, request, say):
    """Does what the engine asks for, and answers if it wants an answer."""
    kind = next(kind for kind in ("subscribe", "unsubscribe", "read", "write") if kind in request)
    place = request[kind]["characteristic"]
    answer = {"ok": {}}
    try:
        if kind == "subscribe":

            def notify(characteristic, data):
                say({"notify": {"characteristic": characteristic, "data": data.hex()}})

            await hardware.subscribe(place, notify)
        elif kind == "unsubscribe":
            await hardware.unsubscribe(place)
        elif kind == "read":
            answer = {"data": (await hardware.read(place)).hex()}
        else:
            await hardware.write(place, bytes.fromhex(request[kind]["data"]), request[kind]["response"])
    except Exception as error:
        answer = {"error": str(error) or type(error).__name__}
    if "id" in request:
        say({"id": request["id"], **answer})
    elif "error" in answer:
        print("not written:", answer["error"], flush=True)


async def bridge(url, hardware):
    outbox, requests = asyncio.Queue(), set()
    # What is said goes out in its order: a notification behind the answer that it belongs to.
    say = outbox.put_nowait

    async def send():
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(json.dumps(await outbox.get()))

    async def tell_when_gone():
        await hardware.gone.wait()
        say({"gone": {}})

    async with connect(url) as socket:
        say({"version": 1, "transport": "bluetooth-le", **hardware.greeting})
        helpers = [asyncio.create_task(send()), asyncio.create_task(tell_when_gone())]
        try:
            async for text in socket:
                message = json.loads(text)
                if "rejected" in message:
                    print("rejected:", message["rejected"]["reason"], flush=True)
                elif "accepted" in message:
                    print("driven as", message["accepted"]["protocol"], flush=True)
                elif "disconnect" in message:
                    break
                else:
                    # A task of its own, begun in its turn: a write that waits for the radio must not hold up a stop.
                    request = asyncio.create_task(carry_out(hardware, message, say))
                    requests.add(request)
                    request.add_done_callback(requests.discard)
        except ConnectionClosed as end:
            print("the engine is gone:", end, flush=True)
        finally:
            # The last of them may be what stops the device.
            if requests:
                await asyncio.wait(requests, timeout=LAST_WRITES)
            for task in [*helpers, *requests]:
                task.cancel()


async def main():
    arguments = argparse.ArgumentParser(description="Offers a Bluetooth device to the engine's device port.")
    arguments.add_argument("--url", default="ws://127.0.0.1:54817")
    arguments.add_argument("--bleak", metavar="NAME", help="a real device whose name begins so")
    arguments = arguments.parse_args()
    # Ending this program is to let go of the device, too. Windows has no such signals.
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    hardware = await Radio.find(arguments.bleak) if arguments.bleak else Simulated()
    try:
        await bridge(arguments.url, hardware)
    finally:
        # However it ends: nobody could stop the device any more, and most stop when they lose their connection.
        await hardware.disconnect()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(main())
