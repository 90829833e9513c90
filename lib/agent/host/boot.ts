import { utimesSync } from "node:fs";
import path from "node:path";
import { AgentDirectory } from "./directory";
import { Relay } from "./relay";
import { Supervisor } from "./supervisor";

/**
 * What a host is sent besides the runtime: one file, `boot/<hash>.js`, that is either end of an agent by its first
 * argument. Everything else travels as sources.
 */
const [, self = "", role, idle] = process.argv;
process.umask(0o077);
const place = new AgentDirectory(path.dirname(path.dirname(self)));
place.enterRun();
const boot = path.basename(self, ".js");

if (role === "relay") {
  keep(self);
  new Relay(place, self);
} else if (role === "supervisor") {
  void new Supervisor(place, boot, idle === undefined ? undefined : Number(idle))
    .start()
    .catch((error: Error) => {
      // Another one was faster: it serves as well.
      process.exit("code" in error && error.code === "EADDRINUSE" ? 0 : 1);
    });
} else {
  process.stderr.write(`usage: node ${self} relay|supervisor [milliseconds idle]\n`);
  process.exit(2);
}

/** Boot files that nobody has used for long are removed. */
function keep(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // A file system that is full or read-only.
  }
}
