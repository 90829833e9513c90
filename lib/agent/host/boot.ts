import { utimesSync } from "node:fs";
import path from "node:path";
import { AgentDirectory } from "./directory";
import { Relay } from "./relay";
import { Supervisor } from "./supervisor";

/**
 * Bundled into one file, `boot/<hash>.js`: the relay or the supervisor, depending on its first argument. Only this file
 * and the runtime are installed on a host; everything else is sent as sources.
 */
const [, self = "", role, idleMs] = process.argv;
process.umask(0o077);
const directory = openDirectory();
const boot = path.basename(self, ".js");

if (role === "relay") {
  touch(self);
  new Relay(directory, self);
} else if (role === "supervisor") {
  void new Supervisor(directory, boot, idleMs === undefined ? undefined : Number(idleMs))
    .start()
    .catch((error: Error) => {
      // Another supervisor is already listening: use that one.
      process.exit("code" in error && error.code === "EADDRINUSE" ? 0 : 1);
    });
} else {
  process.stderr.write(`usage: node ${self} relay | supervisor [idle-timeout-ms]\n`);
  process.exit(2);
}

/** Prints one sentence when the directory cannot be used: an uncaught error would show a screen of bundled source. */
function openDirectory(): AgentDirectory {
  try {
    const opened = new AgentDirectory(path.dirname(path.dirname(self)));
    opened.enterRun();
    return opened;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}

/** Marks the boot file as used: boot files unused for a month are removed. */
function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // The file system is full or read-only.
  }
}
