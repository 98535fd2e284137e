"""The script's end of the talk with xtask (xtask/src/interop/conversation.rs): checks and deeds as JSON lines."""

import asyncio
import json
import sys


async def ask(**request):
    sys.stdout.write(json.dumps(request) + "\n")
    sys.stdout.flush()
    # In a thread, so that the library's own tasks go on.
    line = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(line)


async def check(what, expected, came):
    """A value of ours against one of the library's."""
    await ask(check=what, expected=expected, came=came)


async def saw(what, device, *writes):
    """All that the device was told since the last such check, in order."""
    await ask(check=what, device=device, saw=writes)


async def saw_at_least_once(what, device, *writes):
    """The same, but the writes may come several times over: an engine that ends may stop a device at more than one place."""
    await ask(check=what, device=device, saw=writes, or_repeated=True)


async def saw_at_last(what, device, *writes):
    """The same, but whatever came before these is fine: only the clock knows how far a movement gets until its stop."""
    await ask(check=what, device=device, saw=writes, at_last=True)


async def dial_in(device):
    await ask(do="dial in", device=device)


async def hang_up(device):
    await ask(do="hang up", device=device)


async def end_the_engine():
    return await ask(do="end the engine")


async def error_of(call):
    """The class of the error that the call ends with."""
    try:
        await call
    except Exception as error:  # whatever the library throws is what is asked for
        return type(error).__name__
    return "no error"


class Events:
    """What a callback was called with, to be waited for: events = Events(); client.on_x = events; await events.next()."""

    def __init__(self):
        self._queue = asyncio.Queue()

    def __call__(self, *arguments):
        self._queue.put_nowait(arguments[0] if arguments else True)

    async def next(self):
        """The oldest event not yet seen, or None after three seconds."""
        try:
            return await asyncio.wait_for(self._queue.get(), 3)
        except asyncio.TimeoutError:
            return None

    def count(self):
        return self._queue.qsize()


async def become(condition):
    """Whether the condition comes true within three seconds: for what a library shows but does not announce."""
    for _ in range(300):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


def run(script):
    """Runs the script; anything raised ends it with a message and without "finish"."""
    asyncio.run(script)
    print(json.dumps({"do": "finish"}), flush=True)
