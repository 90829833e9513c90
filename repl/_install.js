"use strict";
/**
 * Prerequisites of every command of this project: its npm packages are installed, and it runs on the Node installed with
 * them. Plain JavaScript for Node 18 and later, without dependencies.
 */
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "..");

/** The oldest supported Node, and the path of the one that npm installs. */
const requiredMajor = 24;
const pinnedNode = path.join(root, "node_modules/.bin/node");

/**
 * Installs the packages of package-lock.json unless they are installed already. A copy of the project that was itself
 * installed as a package has no lock file, and npm has installed its packages already.
 *
 * Exits the process with code 2 when npm fails.
 *
 * @param {{ quiet?: boolean }} [options] `quiet`: shows npm's own output only when it fails
 */
function ensureInstalled({ quiet = false } = {}) {
  const reason = reasonToInstall();
  if (reason === undefined) return;
  process.stderr.write(`Installing npm packages (${reason}) …\n`);
  // Not `npm ci`: it fails when an optional package of another platform has no entry in the lock file, which happens when
  // the registry lacked it at the time. Packages with an entry are installed as locked in either case.
  const args = [
    "install",
    "--no-save",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  // npm's output must not mix with the program's standard output.
  const stdio = quiet ? ["ignore", "pipe", "pipe"] : ["ignore", process.stderr, process.stderr];
  const { status, error, stdout, stderr } = spawnSync("npm", args, { cwd: root, stdio, encoding: "utf8" });
  if (status === 0 && reasonToInstall() === undefined) return;
  if (quiet) process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  const why =
    error?.message ?? (status === 0 ? reasonToInstall() : `npm install failed with exit code ${status}`);
  process.stderr.write(
    `Cannot install the npm packages in ${root}: ${why}. Fix this, then run: npm install\n`,
  );
  process.exit(2);
}

/**
 * Runs `script` again, with the same arguments, on the Node pinned in package.json, unless the current one is recent
 * enough. Returns true when it does: the caller must then do nothing, and this process ends with the exit of the other.
 */
function onPinnedNode(script) {
  if (Number.parseInt(process.versions.node, 10) >= requiredMajor) {
    if (process.env.CONSFIGURATOR_ON_PINNED_NODE !== undefined && process.connected) receiveSignals();
    // Child processes must not inherit it.
    delete process.env.CONSFIGURATOR_ON_PINNED_NODE;
    return false;
  }
  if (!fs.existsSync(pinnedNode) || process.env.CONSFIGURATOR_ON_PINNED_NODE !== undefined) {
    const here = `${os.platform()} ${os.arch()}`;
    process.stderr.write(
      `Node ${requiredMajor} or newer is required, this is Node ${process.versions.node}, and npm has no Node for `,
    );
    process.stderr.write(`${here}: install Node ${requiredMajor} and run this again\n`);
    process.exit(2);
  }
  const child = spawn(pinnedNode, [...process.execArgv, script, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...mallocSettings, ...process.env, CONSFIGURATOR_ON_PINNED_NODE: "1" },
  });
  for (const signal of ["SIGHUP", "SIGQUIT", "SIGUSR2"]) process.on(signal, () => child.kill(signal));
  for (const signal of COUNTED_SIGNALS)
    process.on(signal, () => {
      if (child.connected) child.send(signal, () => {});
      else child.kill(signal);
    });
  child.on("error", (error) => {
    process.stderr.write(`${pinnedNode}: ${error.message}\n`);
    process.exit(2);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
  return true;
}

/** Of the C library, as in the first line of `consfig.js`; it reads them when a process starts. */
const mallocSettings = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536" };

/** Signals of which a second one means more than the first. */
const COUNTED_SIGNALS = ["SIGINT", "SIGTERM"];

/** Time in which a signal that was sent to both processes arrives at both. */
const SAME_SIGNAL_MS = 200;

/**
 * Takes each SIGINT and SIGTERM of the parent process, unless we got the same one ourselves: Ctrl-C, and whatever ends a
 * process group, reaches both.
 */
function receiveSignals() {
  const passOn = Object.fromEntries(COUNTED_SIGNALS.map((signal) => [signal, receive(signal)]));
  process.on("message", (signal) => passOn[signal]?.());
  process.channel.unref();
}

/** Counts the `signal`s that this process gets. The returned function takes one that its parent has got. */
function receive(signal) {
  let own = 0;
  let passedOn = 0;
  const count = () => {
    own += 1;
    if (process.listenerCount(signal) > 1) {
      setTimeout(() => {
        passedOn = Math.max(passedOn, own);
      }, 5 * SAME_SIGNAL_MS).unref();
      return;
    }
    // Without a listener of the program, the signal ends it.
    process.removeListener(signal, count);
    process.kill(process.pid, signal);
  };
  process.on(signal, count);
  return () => {
    passedOn += 1;
    setTimeout(() => {
      if (own < passedOn) process.emit(signal, signal);
    }, SAME_SIGNAL_MS);
  };
}

/** How the installed packages differ from the lock file; `undefined` when they match. */
function reasonToInstall() {
  const locked = readLock("package-lock.json");
  if (locked === undefined) return undefined;
  const installed = readLock("node_modules/.package-lock.json");
  if (installed === undefined) return "not installed yet";
  for (const [directory, entry] of Object.entries(locked.packages)) {
    const found = installed.packages[directory];
    if (directory === "" || entry.link || (found === undefined && !isForHere(entry))) continue;
    const name = directory.replace(/^.*node_modules\//, "");
    if (found === undefined) return `${name} is missing`;
    if (found.version !== entry.version) return `${name} is ${found.version}, should be ${entry.version}`;
    if (found.integrity !== entry.integrity) return `${name} ${entry.version} does not match the lock file`;
  }
  return undefined;
}

function readLock(file) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, file), "utf8"));
  } catch {
    return undefined;
  }
}

/** npm skips optional packages of other platforms, and peers that no package requires. */
function isForHere({ optional, devOptional, peer, os: systems, cpu, libc }) {
  if (!optional && !devOptional && !peer) return true;
  if (systems === undefined && cpu === undefined) return false;
  return (
    allows(systems, os.platform()) &&
    allows(cpu, os.arch()) &&
    (libc === undefined || allows(libc, libcHere()))
  );
}

function allows(list, here) {
  // Some packages have a string here, not a list.
  const words = [list ?? here].flat();
  return (
    words.every((word) => word !== `!${here}`) &&
    (words.includes(here) || words.every((word) => word.startsWith("!")))
  );
}

function libcHere() {
  return process.report?.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

module.exports = { ensureInstalled, mallocSettings, onPinnedNode };
