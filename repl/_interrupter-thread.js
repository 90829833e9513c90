"use strict";
/**
 * The thread that reads the keys while the main thread is busy, and ends what keeps it busy at the second Ctrl-C. Plain
 * JavaScript, so that it starts at once.
 */
const fs = require("node:fs");
const { Session } = require("node:inspector");
const { parentPort, workerData } = require("node:worker_threads");

/** The turns of the main thread, and the Ctrl-C that it has taken itself. */
const [TURNS, TAKEN] = [0, 1];
const { state, terminal } = workerData;
const LOOK_MS = 100;
/** Without a turn for so long, the main thread is busy. */
const BUSY_MS = 400;
const CTRL_C = 3;

const tty = fs.openSync(terminal, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY);
const buffer = Buffer.alloc(1024);
let turns = -1;
let since = 0;
let typed = 0;

setInterval(() => {
  const now = Atomics.load(state, TURNS);
  if (now !== turns) {
    turns = now;
    since = performance.now();
    typed = 0;
    return;
  }
  if (performance.now() - since < BUSY_MS) return;
  const keys = readKeys();
  if (keys.length === 0) return;
  parentPort.postMessage(keys.toString("latin1"));
  typed += keys.filter((key) => key === CTRL_C).length;
  if (typed > 0 && Atomics.load(state, TAKEN) + typed >= 2) endExecution();
}, LOOK_MS);

function readKeys() {
  try {
    return Buffer.from(buffer.subarray(0, fs.readSync(tty, buffer)));
  } catch {
    return Buffer.alloc(0); // none
  }
}

/** Ends the JavaScript that runs in the main thread now: a promise that waits for it never settles. */
function endExecution() {
  const session = new Session();
  session.connectToMainThread();
  session.post("Runtime.terminateExecution", () => session.disconnect());
}
