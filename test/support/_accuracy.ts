/** Runs tests whose plans are recorded, and counts what came true. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
  /** The file of the example consfig that the step is of. */
  readonly consfig?: string;
}

/** Tests that plan what they apply. */
const testsThatPlan = (): string[] => {
  const names = readdirSync(path.join(root, "test/properties"));
  // What that one plans is not applied.
  const chosen = names.filter((name) => name.endsWith(".test.ts") && name !== "questions.test.ts");
  return [...chosen.map((name) => `test/properties/${name}`), "test/hosts/plans.test.ts"];
};
/** Of all steps, these are to be decided, in percent. */
const GOAL = 95;

export async function main(args: readonly string[]): Promise<void> {
  const { tests, rows: kept, publish } = parsed(args);
  const directory = mkdtempSync(path.join(tmpdir(), "accuracy-"));
  const file = kept ?? path.join(directory, "steps");
  try {
    // Test machines write to it as well, and not only as root.
    if (!existsSync(file)) writeFileSync(file, "");
    chmodSync(directory, 0o755);
    chmodSync(file, 0o666);
    const env = { ...process.env, CONSFIGURATOR_ACCURACY: file };
    const run = [path.join(root, "test/run.js"), ...tests];
    const { status } = spawnSync(process.execPath, run, { env, stdio: ["ignore", 2, 2] });
    const rows = recorded(file);
    process.stdout.write(`${accuracy(rows)}\n`);
    if (publish) publishIn(path.join(root, "docs/plan.md"), rows);
    process.exitCode = status !== 0 || rows.some(({ wrong }) => wrong) ? 1 : 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Arguments {
  readonly tests: readonly string[];
  /** The file in which steps are collected over several runs. */
  readonly rows: string | undefined;
  readonly publish: boolean;
}

function parsed(args: readonly string[]): Arguments {
  const given = [...args];
  const at = given.indexOf("--rows");
  const [, rows] = at < 0 ? [] : given.splice(at, 2);
  const tests = given.filter((each) => each !== "--publish");
  return {
    tests: tests.length > 0 ? tests : testsThatPlan(),
    rows: rows === undefined ? undefined : path.resolve(rows),
    publish: given.includes("--publish"),
  };
}

/** Replaces the table of the page `file`. */
function publishIn(file: string, rows: readonly AccuracyRow[]): void {
  const on = new Date().toISOString().slice(0, 10);
  writeFileSync(file, withAccuracy(readFileSync(file, "utf8"), `${accuracy(rows)}\n\nMeasured on ${on}.`));
}

/** `page` with `text` between its markers. */
export const withAccuracy = (page: string, text: string): string =>
  page.replace(
    /(<!-- accuracy -->\n)[\s\S]*?(<!-- \/accuracy -->)/,
    (_, before: string, after: string) => `${before}\n${text}\n\n${after}`,
  );

function recorded(file: string): AccuracyRow[] {
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as AccuracyRow);
}

const isDecided = ({ answer }: AccuracyRow): boolean =>
  answer !== undefined && answer !== "depends" && answer !== "unknown";

/** The table, and what was not decided or wrong, by name. */
export function accuracy(rows: readonly AccuracyRow[]): string {
  const families = Map.groupBy(
    rows.filter(({ answer }) => answer !== undefined),
    ({ property, consfig }) => consfig ?? property.split(".")[0] ?? property,
  );
  const counted = [...families].sort(([one], [other]) => one.localeCompare(other));
  const all = counted.flatMap(([, each]) => each);
  const percent = all.length === 0 ? 100 : (100 * all.filter(isDecided).length) / all.length;
  return [
    ...aligned([
      ["properties", "steps", "decided", "right", "wrong"],
      ...counted.map(([family, each]) => tableRow(family, each)),
      tableRow("all", all),
    ]),
    "",
    `${percent.toFixed(1)} % decided; the goal is ${GOAL} %.`,
    ...listed(
      "Not decided:",
      all.filter((row) => !isDecided(row)),
      ({ answer, reason = "on earlier steps" }) =>
        answer === "depends" ? `depends ${reason}` : `${answer}: ${reason}`,
    ),
    ...listed(
      "Wrong:",
      all.filter(({ wrong }) => wrong),
      ({ answer, actual }) => `planned "${answer}", was "${actual ?? "not applied"}"`,
    ),
  ].join("\n");
}

function tableRow(family: string, rows: readonly AccuracyRow[]): string[] {
  const decided = rows.filter(isDecided);
  const wrong = rows.filter(({ wrong: isWrong }) => isWrong).length;
  return [family, ...[rows.length, decided.length, decided.length - wrong, wrong].map(String)];
}

/** A table in Markdown: text on the left, numbers on the right. */
function aligned([head = [], ...body]: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [head, rule, ...body].map(line);
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
