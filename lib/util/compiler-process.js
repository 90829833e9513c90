"use strict";
/**
 * The compiler's process: TypeScript, ts-node and esbuild take 100 MB, which a session does not keep. It starts at the
 * first call, ends after five minutes without one, and with this process. Plain JavaScript because TypeScript is compiled
 * with it.
 */
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { root } = require("./package.js");

const IDLE_MS = 300_000;
/** No call takes as long, on a busy machine either. */
const DEADLINE_MS = 120_000;
/** How often a call looks for its answer: one that blocks, and one that does not. */
const LOOK_MS = 0.3;
const LATER_MS = 10;

let running;
// At the end of its input it ends by itself, but only when it is not busy.
process.on("exit", () => running?.child.kill());
let calls = 0;
let isCompiler = false;

/** In the compiler's process, calls are plain calls. */
function becomeCompiler() {
  isCompiler = true;
}

/**
 * Waits for the function `name` of the module `file` (absolute) in the compiler's process. Arguments and result are plain
 * data. What it throws is thrown again as an Error with the same name, message and own fields.
 */
function inCompiler(file, name, ...args) {
  if (isCompiler) return require(file)[name](...args);
  const made = call({ file, name, args });
  while (made.answer === undefined) if (!receive(made)) pause();
  return resultOf(made.answer);
}

/** Like `inCompiler`, without blocking. This process does not end while it waits. */
const inCompilerLater = (file, name, ...args) => later(true, file, name, args);

/** Like `inCompilerLater`, for what this process need not wait for when it has nothing else to do. */
const inCompilerMeanwhile = (file, name, ...args) => later(false, file, name, args);

async function later(ref, file, name, args) {
  if (isCompiler) return require(file)[name](...args);
  const made = call({ file, name, args });
  while (made.answer === undefined) if (!receive(made)) await sleep(LATER_MS, undefined, { ref });
  return resultOf(made.answer);
}

/** Whether the process was started, and not ended by this one. */
const compilerIsRunning = () => running !== undefined;

/** Ends the process if it runs. Calls that still wait fail, for `reason`. */
function endCompiler(reason = "the compiler's process was ended") {
  const ended = close();
  for (const made of ended?.waiting.values() ?? []) made.answer = problem(reason);
}

function close() {
  const closed = running;
  running = undefined;
  if (closed === undefined) return undefined;
  clearTimeout(closed.idle);
  fs.closeSync(closed.requests);
  fs.closeSync(closed.answers);
  return closed;
}

const problem = (message) => ({ error: { name: "Error", message } });

function call(request) {
  calls += 1;
  const made = {
    id: calls,
    request,
    deadline: performance.now() + DEADLINE_MS,
    again: true,
    answer: undefined,
  };
  send(made);
  endWhenIdle();
  return made;
}

function endWhenIdle() {
  clearTimeout(running?.idle);
  const idle = () => (running.waiting.size > 0 ? endWhenIdle() : endCompiler());
  if (running) running.idle = setTimeout(idle, IDLE_MS).unref();
}

function send(made) {
  running ??= start();
  const to = running;
  to.waiting.set(made.id, made);
  const bytes = Buffer.from(`${JSON.stringify({ id: made.id, ...made.request })}\n`);
  for (let sent = 0; sent < bytes.length && to === running; ) {
    try {
      sent += fs.writeSync(to.requests, bytes, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") return lost();
      // The process may wait for us to take an answer.
      if (!receive(made)) pause();
    }
  }
}

/** Takes the answers that are there. False: there was none. */
function receive(made) {
  if (performance.now() > made.deadline)
    endCompiler(`the compiler's process gave no answer for ${DEADLINE_MS / 1000} s`);
  if (made.answer !== undefined || running === undefined) return true;
  const { answers, buffer, parts, waiting } = running;
  let length;
  try {
    length = fs.readSync(answers, buffer);
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
    return false;
  }
  if (length === 0) {
    lost();
    return true;
  }
  const lines = buffer.toString("latin1", 0, length).split("\n");
  for (const end of lines.slice(0, -1)) {
    const { id, ...answer } = JSON.parse(Buffer.from(parts.splice(0).join("") + end, "latin1").toString());
    const answered = waiting.get(id);
    waiting.delete(id);
    if (answered) answered.answer = answer;
  }
  parts.push(lines.at(-1));
  return true;
}

/** The process has ended: what it has not answered is tried once more, in a new one. */
function lost() {
  const { waiting } = close();
  for (const made of waiting.values()) {
    if (!made.again) made.answer = problem("the compiler's process has ended unexpectedly");
    made.again = false;
  }
  for (const made of waiting.values()) if (made.answer === undefined) send(made);
}

function start() {
  const [requests, answers] = pipes();
  const program = path.join(__dirname, "_compiler-program.js");
  const child = spawn(process.execPath, ["--require", path.join(root, "lib/source/register.js"), program], {
    stdio: ["ignore", "ignore", "ignore", requests.read, answers.write],
    cwd: "/",
  });
  child.on("error", () => {}); // its pipes end, too
  child.unref();
  fs.closeSync(requests.read);
  fs.closeSync(answers.write);
  const buffer = Buffer.allocUnsafe(65_536);
  return { child, requests: requests.write, answers: answers.read, buffer, parts: [], waiting: new Map() };
}

/** Two pipes whose ends are descriptors, so that a call can wait for its answer: those of a child process are events. */
function pipes() {
  const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "consfigurator-compiler-"));
  try {
    const [requests, answers] = ["requests", "answers"].map((name) => path.join(directory, name));
    execFileSync("mkfifo", ["-m", "600", requests, answers]);
    const open = (name, blocking) => ({
      read: fs.openSync(name, O_RDONLY | O_NONBLOCK),
      write: fs.openSync(name, O_WRONLY | blocking),
    });
    return [open(requests, O_NONBLOCK), open(answers, 0)];
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

const pausing = new Int32Array(new SharedArrayBuffer(4));
const pause = () => Atomics.wait(pausing, 0, 0, LOOK_MS);

function resultOf({ result, error }) {
  if (error === undefined) return result;
  const { name, message, stack = `${name}: ${message}`, fields } = error;
  throw Object.assign(new Error(message), { name, stack, ...fields });
}

module.exports = {
  becomeCompiler,
  compilerIsRunning,
  endCompiler,
  inCompiler,
  inCompilerLater,
  inCompilerMeanwhile,
};
