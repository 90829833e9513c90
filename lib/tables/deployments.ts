import { integer, object } from "../model/schema";
import { deftable } from "../model/table";

/**
 * The newest deployments that the agent of this user has a journal of, newest first. `status`: "changed", "unchanged", "failed"
 * or "cancelled"; null while it runs, and of one that was killed. `steps`: those that have changed something.
 */
export const deployments = deftable({
  name: "tables.deployments",
  args: object({ count: integer({ minimum: 1, maximum: 50 }) }),
  call: (count?: number) => ({ count: count ?? 10 }),
  rows: async ({ count }, target) => {
    const { stdout } = await target.query(
      `cd "\${XDG_CACHE_HOME:-$HOME/.cache}/consfigurator/agent/journal" 2>/dev/null || exit 0
ls -t | while read -r f; do
  head -n 1 "$f" 2>/dev/null
  grep -cE '"kind":"step-ended".*"status":"changed"' "$f" 2>/dev/null
  grep -E '^[{]"(outcome|lost)"' "$f" 2>/dev/null | head -n 1
done`,
    );
    const all: Deployment[] = [];
    for (const line of stdout.split("\n")) {
      const last = all.at(-1);
      if (last && /^\d+$/.test(line)) last.steps = Number(line);
      const { started, outcome, lost } = lineOf(line);
      if (started) all.push({ ...started, status: null, steps: 0 });
      else if (last && (outcome || lost !== undefined)) last.status = outcome ? statusOf(outcome) : "failed";
    }
    // A question is in the journal, too, while it is asked.
    return all
      .filter(({ plan }) => !plan)
      .slice(0, count)
      .map(({ at, by, status, steps }) => ({ at, by, status, steps }));
  },
});

interface Started {
  readonly at: string;
  readonly by: string;
  readonly plan?: boolean;
}
interface Deployment extends Started {
  status: string | null;
  steps: number;
}
interface Outcome {
  readonly change: string;
  readonly failed: boolean;
  readonly cancelled: boolean;
}

const statusOf = ({ change, failed, cancelled }: Outcome): string =>
  cancelled ? "cancelled" : failed ? "failed" : change;

/** Empty for what is no line of a journal. */
function lineOf(line: string): { started?: Started; outcome?: Outcome; lost?: string } {
  try {
    return line.startsWith("{") ? JSON.parse(line) : {};
  } catch {
    return {};
  }
}
