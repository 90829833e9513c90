/** Runs tests whose plans are recorded, and counts what came true. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../../lib/util/package";

/** A step as `lib/test-harness/planning.ts` records it. */
export interface AccuracyRow {
  readonly property: string;
  readonly desc: string;
  readonly answer?: string;
  readonly reason?: string;
  /** Undefined: the step was not applied. */
  readonly actual?: string;
  readonly wrong: boolean;
}

/** Tests that plan what they apply. */
const testsThatPlan = (): string[] => {
  const names = readdirSync(path.join(root, "test/properties"));
  // What that one plans is not applied.
  const chosen = names.filter((name) => name.endsWith(".test.ts") && name !== "questions.test.ts");
  return chosen.map((name) => `test/properties/${name}`);
};
/** Of all steps, these are to be decided, in percent. */
const GOAL = 95;

export async function main(given: readonly string[]): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "accuracy-"));
  const file = path.join(directory, "steps");
  try {
    const tests = given.length > 0 ? given : testsThatPlan();
    const env = { ...process.env, CONSFIGURATOR_ACCURACY: file };
    const run = [path.join(root, "test/run.js"), ...tests];
    const { status } = spawnSync(process.execPath, run, { env, stdio: ["ignore", 2, 2] });
    const rows = recorded(file);
    process.stdout.write(`${accuracy(rows)}\n`);
    process.exitCode = status !== 0 || rows.some(({ wrong }) => wrong) ? 1 : 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function recorded(file: string): AccuracyRow[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as AccuracyRow);
}

const isDecided = ({ answer }: AccuracyRow): boolean =>
  answer !== undefined && answer !== "depends" && answer !== "unknown";

/** The table, and what was not decided or wrong, by name. */
export function accuracy(rows: readonly AccuracyRow[]): string {
  const families = Map.groupBy(
    rows.filter(({ answer }) => answer !== undefined),
    ({ property }) => property.split(".")[0] ?? property,
  );
  const counted = [...families].sort(([one], [other]) => one.localeCompare(other));
  const all = counted.flatMap(([, each]) => each);
  const table = [
    "| properties | steps | decided | right | wrong |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...counted.map(([family, each]) => tableRow(family, each)),
    tableRow("all", all),
  ];
  const percent = all.length === 0 ? 100 : (100 * all.filter(isDecided).length) / all.length;
  return [
    ...table,
    "",
    `${percent.toFixed(1)} % decided; the goal is ${GOAL} %.`,
    ...listed(
      "Not decided:",
      all.filter((row) => !isDecided(row)),
      ({ answer, reason }) => `${answer}${reason ? `: ${reason}` : ""}`,
    ),
    ...listed(
      "Wrong:",
      all.filter(({ wrong }) => wrong),
      ({ answer, actual }) => `planned "${answer}", was "${actual ?? "not applied"}"`,
    ),
  ].join("\n");
}

function tableRow(family: string, rows: readonly AccuracyRow[]): string {
  const decided = rows.filter(isDecided);
  const wrong = rows.filter(({ wrong: isWrong }) => isWrong).length;
  return `| ${[family, rows.length, decided.length, decided.length - wrong, wrong].join(" | ")} |`;
}

/** Each property once for each reason, with how often. */
function listed(title: string, rows: readonly AccuracyRow[], why: (row: AccuracyRow) => string): string[] {
  if (rows.length === 0) return [];
  const groups = Map.groupBy(rows, (row) => `${row.property} (${why(row)})`);
  return [
    "",
    title,
    "",
    ...[...groups]
      .sort()
      .map(([name, each]) => `- ${name}${each.length > 1 ? `, ${each.length} times` : ""}`),
  ];
}
