// The script's end of the talk with xtask (xtask/src/interop/conversation.rs): checks and deeds as JSON lines.
"use strict";
const readline = require("node:readline");

const waiting = [];
readline.createInterface({ input: process.stdin }).on("line", (line) => waiting.shift()(JSON.parse(line)));

function ask(request) {
  return new Promise((resolve) => {
    waiting.push(resolve);
    process.stdout.write(JSON.stringify(request) + "\n");
  });
}

// A value of ours against one of the library's. What JSON does not have is written as null.
const check = (what, expected, came) => ask({ check: what, expected, came: came === undefined ? null : came });

// All that the device was told since the last such check, in order.
const saw = (what, device, ...writes) => ask({ check: what, device, saw: writes });

// The same, but the writes may come several times over: an engine that ends may stop a device at more than one place.
const sawAtLeastOnce = (what, device, ...writes) => ask({ check: what, device, saw: writes, or_repeated: true });

// The same, but whatever came before these is fine: only the clock knows how far a movement gets until its stop.
const sawAtLast = (what, device, ...writes) => ask({ check: what, device, saw: writes, at_last: true });

const dialIn = (device) => ask({ do: "dial in", device });
const hangUp = (device) => ask({ do: "hang up", device });
const endTheEngine = () => ask({ do: "end the engine" });

// The class of the error that the call ends with.
async function errorOf(call) {
  try {
    await call();
    return "no error";
  } catch (error) {
    return error?.constructor?.name ?? String(error);
  }
}

// The first argument of the next event of this name, or null after three seconds.
function next(emitter, name) {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(null), 3000);
    emitter.once(name, (value) => {
      clearTimeout(late);
      resolve(value);
    });
  });
}

// Runs the script; anything thrown ends it with a message and without "finish".
function run(script) {
  script().then(
    () => {
      process.stdout.write(JSON.stringify({ do: "finish" }) + "\n", () => process.exit(0));
    },
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { check, saw, sawAtLeastOnce, sawAtLast, dialIn, hangUp, endTheEngine, errorOf, next, run };
