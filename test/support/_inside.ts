/**
 * Runs inside a test machine, with this computer's Node and sources, and applies properties as an agent would. Reads one
 * request per line and writes one line per answer.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { failureOf } from "../../lib/model/errors";
import { HostModel, type HostState } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import { LocalTarget } from "../../lib/target/local/target";
import type { PlannedOutcome } from "../../lib/test-harness/planning";
import { applied, checked, plannedBefore } from "./_applied";

const properties = path.join(__dirname, "../../properties");
for (const name of readdirSync(properties))
  if (/^[a-z]\w*\.ts$/.test(name)) require(path.join(properties, name));

interface Request {
  readonly work: "apply" | "check" | "plan";
  readonly application: PropApp;
  readonly host: HostState;
  /** The plan of what is applied, when there is one already. */
  readonly planned?: PlannedOutcome;
}

async function answer(line: string): Promise<object> {
  const { work, application, host, planned } = JSON.parse(line) as Request;
  const model = new HostModel(host);
  try {
    const act = { apply: applied, check: checked, plan: plannedBefore }[work];
    return await act(application, model, (context) => new LocalTarget(context), planned);
  } catch (error) {
    return { error: failureOf(error) };
  }
}

// After loading as root, which can read every source file.
const user = process.env["RUN_AS"];
if (user) {
  process.setgroups?.([user]);
  process.setgid?.(user);
  process.setuid?.(user);
}
process.chdir(process.env["HOME"] ?? "/");
createInterface({ input: process.stdin }).on("line", async (line) => {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
});
