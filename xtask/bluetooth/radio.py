"""The radio that the virtual machine's Bluetooth sees, and the devices on it.

usage: radio.py SOCKET DEVICES    (SOCKET: where qemu's virtio console connects; DEVICES: the folder of definitions)

A Bumble controller stands for the machine's adapter; each device is a Bumble host of its own on the same link, made
from a definition of the catalogue: advertised data, services, characteristics, replies. Commands come in as one JSON
object a line, and events go out as such:

    {"do": "add", "toy": "nova", "protocol": "wevibe", "name": "Nova", ...}      see `Toy`
    {"do": "off", "toy": "nova", "how": "clean" | "silent", "writes": N}         after N more writes; 0: now
    {"do": "on", "toy": "nova"}
    {"do": "clear"}                                                             all of them off, for good
    {"do": "pace", "ms": 30, "packets": 4}                                      ACL only at connection events
    {"do": "notify", "toy": "nova", "endpoint": "rx", "data": "4f4b3b"}
    {"do": "mark", "name": "..."}                                               comes back as an event

    {"at": 1.234, "toy": "nova", "event": "write", "endpoint": "tx", "data": "0f03...", "count": 7}
    ... "advertising", "connected", "disconnected", "read", "subscribed", "ready", "mark"
"""

import asyncio
import json
import logging
import sys
import time
import tomllib
from pathlib import Path

from bumble import hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData, PhysicalTransport
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport

ADAPTER = "00:1B:DC:F2:1C:01"

# Linux's default supervision time-out; Bumble has none.
SUPERVISION = 0.42

BEGAN = time.monotonic()


def say(toy, event, **more):
    line = {"at": round(time.monotonic() - BEGAN, 4), "toy": toy, "event": event, **more}
    print(json.dumps(line), flush=True)


def uuid(text):
    return UUID.from_16_bits(int(text, 16)) if len(text) == 4 else UUID(text)


class Air(LocalLink):
    """Bumble's link takes every sender for one with a random address; Linux connects from its public one."""

    def send_acl_data(self, sender, destination, transport, data):
        connection = sender.le_connections.get(destination)
        target = self.find_le_controller(destination)
        if transport == PhysicalTransport.LE and connection and target:
            loop = asyncio.get_running_loop()
            loop.call_soon(target.on_link_acl_data, connection.self_address, transport, data)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        # Who is out of reach hears nothing.
        if self.find_le_controller(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)


class Adapter(Controller):
    """The machine's controller. With a pace, packets wait for connection events, and their buffers with them."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        # Linux would wait for events that this controller does not send.
        self.le_features &= ~(
            hci.LeFeatureMask.LL_PRIVACY
            | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
            | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
        )
        self.interval, self.per_event = 0, 0
        self.waiting = []

    def on_hci_acl_data_packet(self, packet):
        if self.interval:
            self.waiting.append(packet)
        else:
            super().on_hci_acl_data_packet(packet)

    async def pump(self):
        while True:
            await asyncio.sleep(self.interval - time.monotonic() % self.interval if self.interval else 0.05)
            now = self.waiting[: self.per_event] if self.interval else self.waiting
            self.waiting = self.waiting[len(now) :]
            for packet in now:
                super().on_hci_acl_data_packet(packet)


class Loop:
    """Hands packets on in the next turn of the loop, as a wire would."""

    def __init__(self, sink):
        self.sink = sink

    def on_packet(self, packet):
        asyncio.get_running_loop().call_soon(self.sink.on_packet, packet)


class Toy:
    """A device. Fields of its command:

    protocol      the definition that it follows; absent: it has one unknown service
    name          what it advertises; absent: nothing
    late          seconds until it says its name
    manufacturer  {company: bytes in hex}
    service       which of the definition's services it has; absent: the first that has `tx`, and the standard ones
    replies       {write in hex: reply in hex}, notified on `rx`
    handshake     the definition's first example that hears something: a reply for each of the first writes
    battery       percent
    bare          it has nothing but that service: no battery, no standard values
    """

    def __init__(self, air, adapter, devices, command):
        self.id = command["toy"]
        self.air, self.adapter = air, adapter
        self.command = command
        definition = {}
        if "protocol" in command:
            definition = tomllib.loads((devices / f"{command['protocol']}.toml").read_text())
        self.replies = {key: value for key, value in command.get("replies", {}).items()}
        self.script = self.handshake(definition) if command.get("handshake") else []
        self.count, self.off_after, self.connection = 0, None, None
        address = hci.Address(command["address"])
        self.controller = Controller(self.id, link=air)
        self.controller.random_address = address
        host = Host(self.controller, Loop(self.controller))
        config = DeviceConfiguration(
            name=command.get("name", ""),
            address=address,
            advertising_interval_min=100,
            advertising_interval_max=100,
            le_simultaneous_enabled=False,
            gatt_service_enabled=not command.get("bare", False),
        )
        self.device = Device(config=config, host=host)
        self.endpoints = {}
        for service, endpoints in self.services(definition):
            self.device.add_service(Service(uuid(service), [self.make(*one) for one in endpoints.items()]))
        self.device.on("connection", self.connected)

    def handshake(self, definition):
        heard = next(example["hears"] for example in definition["example"] if "hears" in example)
        heard = [heard] if isinstance(heard, str) else heard
        return [(line.split(":")[0], bytes.fromhex(line.split(":", 1)[1])) for line in heard]

    def services(self, definition):
        if not definition:
            return [("fff0", {"tx": "fff1"})]
        listed = [rule["services"] for rule in definition["bluetooth"]]
        services = {service: ends for rule in listed for service, ends in rule.items()}
        own = self.command.get("service")
        if own is None:
            own = next(service for service, ends in services.items() if "tx" in ends)
        standard = [service for service in services if len(service) == 4 and service.startswith("18")]
        chosen = {own: services[own], **{service: services[service] for service in standard}}
        if self.command.get("bare"):
            return [(own, services[own])]
        chosen.setdefault("180f", {"rxblebattery": "2a19"})
        return list(chosen.items())

    def make(self, endpoint, characteristic):
        does, allows = Characteristic.Properties, Characteristic.Permissions
        write = does.WRITE | does.WRITE_WITHOUT_RESPONSE
        if endpoint in ("rxblebattery", "rxblemodel"):
            properties = does.READ
        elif endpoint.startswith("rx"):
            properties = does.READ | does.NOTIFY
        elif endpoint.startswith(("tx", "command", "firmware")):
            properties = write
        else:
            properties = write | does.READ | does.NOTIFY
        value = CharacteristicValue(
            read=lambda _, endpoint=endpoint: self.read(endpoint),
            write=lambda connection, data, endpoint=endpoint: self.written(endpoint, bytes(data)),
        )
        made = Characteristic(uuid(characteristic), properties, allows.READABLE | allows.WRITEABLE, value)
        made.on("subscription", lambda _, notify, indicate, endpoint=endpoint: say(
            self.id, "subscribed", endpoint=endpoint, wanted=bool(notify or indicate)))
        self.endpoints[endpoint] = made
        return made

    def read(self, endpoint):
        say(self.id, "read", endpoint=endpoint)
        return bytes([self.command.get("battery", 85)]) if endpoint == "rxblebattery" else b"0"

    async def written(self, endpoint, data):
        if self.off_after == 0:
            return
        self.count += 1
        say(self.id, "write", endpoint=endpoint, data=data.hex(), count=self.count)
        if self.off_after is not None:
            self.off_after -= 1
            if self.off_after == 0:
                asyncio.get_running_loop().create_task(self.off(self.how))
                return
        reply = self.replies.get(data.hex())
        if self.script:
            back, reply = self.script.pop(0)
            await self.notify(back, reply)
        elif reply is not None:
            await self.notify("rx", bytes.fromhex(reply))

    async def notify(self, endpoint, data):
        if self.connection:
            await self.device.notify_subscriber(self.connection, self.endpoints[endpoint], data)

    def connected(self, connection):
        self.connection = connection
        say(self.id, "connected")

        def disconnected(reason):
            self.connection = None
            say(self.id, "disconnected", reason=reason)
            if self.off_after is None:
                asyncio.get_running_loop().create_task(self.advertise())

        connection.on("disconnection", disconnected)

    async def start(self):
        await self.device.power_on()
        late = self.command.get("late", 0)
        await self.advertise(named=not late)
        if late:
            await asyncio.sleep(late)
            await self.device.stop_advertising()
            await self.advertise()

    async def advertise(self, named=True):
        if self.off_after == 0:
            return
        fields = [(AdvertisingData.FLAGS, bytes([0x06]))]
        for company, data in self.command.get("manufacturer", {}).items():
            data = int(company).to_bytes(2, "little") + bytes.fromhex(data)
            fields.append((AdvertisingData.MANUFACTURER_SPECIFIC_DATA, data))
        if named and "name" in self.command:
            fields.append((AdvertisingData.COMPLETE_LOCAL_NAME, self.command["name"].encode()))
        try:
            await self.device.start_advertising(advertising_data=bytes(AdvertisingData(fields)), auto_restart=False)
            if self.off_after == 0:
                # Switched off while this began.
                await self.device.stop_advertising()
                return
            say(self.id, "advertising")
        except Exception as error:  # Bumble's own, of many sorts
            say(self.id, "trouble", what=repr(error))

    async def off(self, how):
        """Switched off: it says so, or it falls silent and the adapter finds out by itself."""
        was_off, self.off_after = self.off_after == 0, 0
        say(self.id, "off", how=how)
        if how == "clean":
            self.starting.cancel()
            if self.connection:
                await self.connection.disconnect()
            elif not was_off:
                await self.device.stop_advertising()
            return
        self.air.remove_controller(self.controller)
        await asyncio.sleep(SUPERVISION)
        for connection in list(self.adapter.le_connections.values()):
            if connection.peer_address == self.controller.random_address:
                self.adapter.on_le_disconnected(connection, 0x08)
        for connection in list(self.controller.le_connections.values()):
            self.controller.on_le_disconnected(connection, 0x08)

    async def on(self):
        self.off_after = None
        if self.controller not in self.air.controllers:
            self.air.add_controller(self.controller)
        await self.advertise()


async def obey(command, toys, air, adapter, devices):
    match command["do"]:
        case "add":
            toys[command["toy"]] = toy = Toy(air, adapter, devices, command)
            toy.starting = asyncio.get_running_loop().create_task(toy.start())
        case "off":
            toy = toys[command["toy"]]
            toy.how, toy.off_after = command["how"], command.get("writes", 0) or None
            if toy.off_after is None:
                await toy.off(toy.how)
        case "on":
            await toys[command["toy"]].on()
        case "clear":
            for toy in toys.values():
                try:
                    await toy.off("clean")
                except Exception as error:
                    say(toy.id, "trouble", what=repr(error))
            toys.clear()
        case "pace":
            adapter.interval, adapter.per_event = command["ms"] / 1000, command["packets"]
        case "notify":
            await toys[command["toy"]].notify(command["endpoint"], bytes.fromhex(command["data"]))
        case "mark":
            say("", "mark", name=command["name"])


async def main(socket, devices):
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    air = Air()
    wire = await open_transport(f"unix-server:{socket}")
    adapter = Adapter("adapter", host_source=wire.source, host_sink=wire.sink, link=air, public_address=ADAPTER)
    pump = asyncio.get_running_loop().create_task(adapter.pump())
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    say("", "ready")
    toys = {}
    while line := await lines.readline():
        try:
            await obey(json.loads(line), toys, air, adapter, devices)
        except Exception as error:
            say("", "trouble", what=f"{line.decode().strip()}: {error!r}")
    pump.cancel()


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
