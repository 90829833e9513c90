/**
 * Applies, in a process that may be killed at any moment:
 * `_crashing.ts <agent|posix> <directory> <where it kills itself: change, then, or nowhere>`. Prints the steps.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { targetOf } from "consfigurator/testing";
import { onChange } from "../../../lib/combinators";
import { applyTree } from "../../../lib/engine/apply";
import { prepare } from "../../../lib/engine/prepare";
import { defprop } from "../../../lib/model/property";
import { Reporter } from "../../../lib/model/report";
import { object, string } from "../../../lib/model/schema";
import { outline } from "../../support/outline";

const [kind, dir = "", crashes] = process.argv.slice(2);

const die = () => process.kill(process.pid, "SIGKILL");

/** `file` exists. Over a shell, only a property with a check never loses its follow-up in a crash. */
const exists = defprop({
  name: "crashing.exists",
  kind: "posix",
  args: object({ file: string() }),
  call: (file: string) => ({ file }),
  desc: ({ file }) => path.basename(file),
  check: async ({ file }, target) => (await target.stat(file)) !== undefined,
  apply: async ({ file }, target) => {
    const change = await target.ensureContent(file, "");
    if (crashes === "change") die();
    return change;
  },
});

const follows = defprop({
  name: "crashing.follows",
  kind: "posix",
  args: object({ file: string() }),
  call: (file: string) => ({ file }),
  desc: ({ file }) => path.basename(file),
  apply: async ({ file }, target) => {
    if (crashes === "then") die();
    return target.ensureContent(file, "");
  },
});

async function main(): Promise<void> {
  const reporter = new Reporter();
  const memory = new Map<string, unknown>();
  const application = onChange(exists(path.join(dir, "config")), follows(path.join(dir, "restarted")));
  await applyTree(prepare({ name: "web1" }, application).application, {
    target: ({ output }) => targetOf(kind === "agent" ? "agent" : "posix", { output, memory }),
    emit: (event) => reporter.add(event),
    stopped: () => undefined,
    atEnd: new Map(),
  });
  const { steps } = reporter.finish("web1", "1", "unchanged", 0);
  process.stdout.write(`${JSON.stringify(outline(steps))}\n`);
}

if (existsSync(dir)) void main();
