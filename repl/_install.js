"use strict";
/**
 * Prepares to run this project: installs its npm packages, and switches to the Node installed with them. Plain
 * JavaScript without dependencies, for any Node from 18 on.
 */
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "..");

/** The oldest Node that the project runs on, and where npm installs one. */
const neededMajor = 24;
const pinnedNode = path.join(root, "node_modules/.bin/node");

/**
 * Installs the packages of package-lock.json, unless they are installed. A copy of the project that was itself
 * installed as a package has no lock file; npm has installed its packages already.
 *
 * Exits with code 2 if npm cannot install them.
 *
 * @param {{ quiet?: boolean }} [options] `quiet`: shows npm's output only if it fails
 */
function ensureInstalled({ quiet = false } = {}) {
  const reason = reasonToInstall();
  if (reason === undefined) return;
  process.stderr.write(`Installing npm packages (${reason}) …\n`);
  // Not `npm ci`: it fails if an optional package for another platform has no entry in the lock file, as happens if the
  // registry did not have it when the file was written. Packages with an entry are installed as locked in either case.
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
    error?.message ?? (status === 0 ? reasonToInstall() : `npm install ended with exit code ${status}`);
  process.stderr.write(
    `Could not install the npm packages in ${root}: ${why}. Fix that, then run: npm install\n`,
  );
  process.exit(2);
}

/**
 * Unless this Node is recent enough, runs `script` again with the same arguments on the Node pinned in package.json.
 * Returns true if it does: the caller has nothing more to do, and this process exits as that one does.
 */
function onPinnedNode(script) {
  if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
    // Child processes must not inherit it.
    delete process.env.CONSFIGURATOR_ON_PINNED_NODE;
    return false;
  }
  if (!fs.existsSync(pinnedNode) || process.env.CONSFIGURATOR_ON_PINNED_NODE !== undefined) {
    const here = `${os.platform()} ${os.arch()}`;
    process.stderr.write(
      `Node ${neededMajor} or newer is required (this is ${process.versions.node}), and npm has none for `,
    );
    process.stderr.write(`${here}: install one and run this again\n`);
    process.exit(2);
  }
  const child = spawn(pinnedNode, [...process.execArgv, script, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, CONSFIGURATOR_ON_PINNED_NODE: "1" },
  });
  // At a terminal Ctrl-C reaches the child anyway; a second SIGINT would mean something else.
  const atTerminal = [0, 1, 2].some((descriptor) => require("node:tty").isatty(descriptor));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
    process.on(signal, () => {
      if (!(atTerminal && ["SIGINT", "SIGQUIT"].includes(signal))) child.kill(signal);
    });
  }
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

/** The first difference between the installed packages and the lock file; `undefined` if there is none. */
function reasonToInstall() {
  const wanted = readLock("package-lock.json");
  if (wanted === undefined) return undefined;
  const installed = readLock("node_modules/.package-lock.json");
  if (installed === undefined) return "none installed yet";
  for (const [location, entry] of Object.entries(wanted.packages)) {
    const found = installed.packages[location];
    if (location === "" || entry.link || (found === undefined && !isForHere(entry))) continue;
    const name = location.replace(/^.*node_modules\//, "");
    if (found === undefined) return `${name} is missing`;
    if (found.version !== entry.version) return `${name} is ${found.version}, should be ${entry.version}`;
    if (found.integrity !== entry.integrity) return `${name} ${entry.version} differs from package-lock.json`;
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

/** npm omits optional packages for other platforms, and those that nothing requires. */
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
  // Some packages have a string instead of a list.
  const words = [list ?? here].flat();
  return (
    words.every((word) => word !== `!${here}`) &&
    (words.includes(here) || words.every((word) => word.startsWith("!")))
  );
}

function libcHere() {
  return process.report?.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

module.exports = { ensureInstalled, onPinnedNode };
