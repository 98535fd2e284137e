"""What all protocols of PyPI `buttplug-py` have in common. It dies of any unknown field or message, hears nothing of
the server's end, and has no callbacks."""

import logging
import sys

from buttplug import Client, ProtocolSpec, WebsocketConnector
from buttplug.messages.v0 import Error

# It logs each error that it raises.
logging.disable(logging.CRITICAL)

PROTOCOL = ProtocolSpec(int(sys.argv[1]))
DEVICE, MESSAGE, INIT = "DeviceServerError", "MessageServerError", "InitServerError"


def new_client(name):
    return Client(name, PROTOCOL)


async def connect(client, url):
    await client.connect(WebsocketConnector(url))


async def send(client, message):
    """Sends a message past the library's checks; an Error in reply is raised as the library does it."""
    reply = await client.send(message)
    if isinstance(reply, Error):
        raise reply.error_code.exception(reply.error_message)
    return reply
