"use strict";
/**
 * What has to be so before anything of this project can run: its npm packages are installed, and the Node that came
 * with them is the one that runs. Plain JavaScript for any Node from 18 on, needing nothing but that.
 */
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "..");

/** The oldest Node that the project runs on, and where npm has put one. */
const neededMajor = 24;
const pinnedNode = path.join(root, "node_modules/.bin/node");

/**
 * The packages of package-lock.json are installed afterwards. Runs npm only when they are not. A copy of the project
 * that was itself installed as a package has no lock file, and its packages are npm's business already.
 *
 * Ends the process with exit 2 when npm cannot install them.
 *
 * @param {{ quiet?: boolean }} [options] `quiet`: npm's own output is shown only when it fails
 */
function ensureInstalled({ quiet = false } = {}) {
  const reason = reasonToInstall();
  if (reason === undefined) return;
  process.stderr.write(`Installing npm packages (${reason}) …\n`);
  // Not `npm ci`: it gives up when an optional package of another platform has no entry in the lock file, as happens when
  // the registry had none when that was made. What has an entry is installed as it says in either case.
  const args = [
    "install",
    "--no-save",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  // What npm says must not get into what the program says on standard output.
  const stdio = quiet ? ["ignore", "pipe", "pipe"] : ["ignore", process.stderr, process.stderr];
  const { status, error, stdout, stderr } = spawnSync("npm", args, { cwd: root, stdio, encoding: "utf8" });
  if (status === 0 && reasonToInstall() === undefined) return;
  if (quiet) process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  const why = error?.message ?? (status === 0 ? reasonToInstall() : `npm install ended with exit ${status}`);
  process.stderr.write(
    `The npm packages could not be installed in ${root}: ${why}. Mend that, then run: npm install\n`,
  );
  process.exit(2);
}

/**
 * Runs `script` once more, with the same arguments, on the Node that is pinned in package.json, unless the one that
 * runs now is recent enough. True when it does: then the caller has nothing more to do, and this process ends as that one.
 */
function onPinnedNode(script) {
  if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
    // Nothing that is started from here is meant.
    delete process.env.CONSFIGURATOR_ON_PINNED_NODE;
    return false;
  }
  if (!fs.existsSync(pinnedNode) || process.env.CONSFIGURATOR_ON_PINNED_NODE !== undefined) {
    const here = `${os.platform()} ${os.arch()}`;
    process.stderr.write(
      `This is Node ${process.versions.node}, Node ${neededMajor} or newer is needed, and npm has none for `,
    );
    process.stderr.write(`${here}: install one and run this again\n`);
    process.exit(2);
  }
  const child = spawn(pinnedNode, [...process.execArgv, script, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, CONSFIGURATOR_ON_PINNED_NODE: "1" },
  });
  // At a terminal Ctrl-C reaches the child by itself, and a second one would mean something else there.
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

/** In what the installed packages are not those of the lock file; `undefined` when they are. */
function reasonToInstall() {
  const wanted = readLock("package-lock.json");
  if (wanted === undefined) return undefined;
  const installed = readLock("node_modules/.package-lock.json");
  if (installed === undefined) return "there are none yet";
  for (const [place, entry] of Object.entries(wanted.packages)) {
    const found = installed.packages[place];
    if (place === "" || entry.link || (found === undefined && !isForHere(entry))) continue;
    const name = place.replace(/^.*node_modules\//, "");
    if (found === undefined) return `${name} is missing`;
    if (found.version !== entry.version) return `${name} is ${found.version}, should be ${entry.version}`;
    if (found.integrity !== entry.integrity)
      return `${name} ${entry.version} is not the one of the lock file`;
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

/** npm leaves out optional packages of other platforms, and those that nothing here asks for. */
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
  // In some packages it is one word, not a list.
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
