import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { seqprops } from "../../lib/combinators";
import { saidBy } from "../../lib/controller/leave-out";
import { hosts } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import type { Report, StepReport } from "../../lib/model/report";
import type { Consfig } from "../../lib/source/consfig";
import { cleanText } from "../../lib/util/clean-text";
import { around as excerpted } from "../../lib/util/excerpt";
import { root as packageRoot } from "../../lib/util/package.js";
import { colour } from "../_colour";
import { columns, fitted, fittedCode } from "../_layout";
import { positionOf } from "../editor";
import { duration } from "./_units";
import { formatCommand, formatFailure } from "./_words";

type Sources = Pick<Consfig, "root" | "isSource">;

/** Everything known about why a host failed. `given`: the applications that were deployed besides those of its definition. */
export function whyText(report: Report, consfig: Sources, given: readonly PropApp[] = []): string {
  const { host, failed, failure, ms, status } = report;
  const lines = [`${colour.red("✗")} ${colour.bold(host)} ${status} after ${duration(ms)}`];
  for (const step of failed) lines.push(...whyOfStep(step, report, consfig, given));
  const known = failure && failed.some((step) => step.failure?.message === failure.message);
  if (failure && !known)
    lines.push(...prose("error", formatFailure(failure)), ...stackLines(failure.stack, consfig.root));
  if (status !== "refused" && report.steps.length > 0) lines.push(...stepSummary(report));
  lines.push(...prose("next", nextOf(report)));
  return lines.join("\n");
}

function whyOfStep(step: StepReport, report: Report, consfig: Sources, given: readonly PropApp[]): string[] {
  const { failure, desc, site, ms, commands = [] } = step;
  const around = stepsAround(step, report);
  const command = failure?.command;
  const output = cleanText(step.output).trimEnd();
  const own = command
    ? [command.stdout, command.stderr]
        .map((text) => cleanText(text).trim())
        .filter(Boolean)
        .join("\n")
    : "";
  return [
    ...prose("step", `${desc}, after ${duration(ms)}`),
    ...code("property", asCode(step, around, [...(hosts.get(report.host)?.applications ?? []), ...given])),
    ...fact("at", site),
    ...sourceLines(site, consfig),
    ...(around.length > 0 ? fact("inside", around.map((each) => each.desc).join("\n")) : []),
    ...(command ? [...prose("command", command.command), ...fact("exit code", `${command.exit}`)] : []),
    ...(commands.length > 0 ? prose("ran", commands.map(formatCommand).join("\n")) : []),
    ...(output || own ? prose("output", output || own, undefined, "| ") : []),
    ...(failure ? prose("error", formatFailure(failure), colour.red) : []),
    ...stackLines(failure?.stack, consfig.root),
  ];
}

const WIDTH = 10;
const INDENT = WIDTH + 3;

/** `name  text`; further lines of the text are aligned with the first. */
function fact(name: string, text: string, mark = ""): string[] {
  return text
    .split("\n")
    .map((line, index) => `  ${colour.cyan((index === 0 ? name : "").padEnd(WIDTH))} ${mark}${line}`);
}

/** Like `fact`, wrapped at words. */
const prose = (name: string, text: string, paint = (line: string) => line, mark = ""): string[] =>
  fact(
    name,
    fitted(text, " ".repeat(INDENT + mark.length))
      .map((line) => paint(line.slice(INDENT + mark.length)))
      .join("\n"),
    colour.dim(mark),
  );

/** Like `fact`, wrapped as code. */
const code = (name: string, text: string): string[] =>
  fact(
    name,
    fittedCode(`${" ".repeat(INDENT)}${text}`)
      .map((line) => line.slice(INDENT))
      .join("\n"),
  );

function stepsAround({ parent }: StepReport, report: Report): StepReport[] {
  const outer = report.steps.find(({ step }) => step === parent);
  return outer ? [outer, ...stepsAround(outer, report)] : [];
}

/** The application as written in the consfig; for a part that a property adds, its name and that property. */
function asCode(step: StepReport, around: readonly StepReport[], applications: readonly PropApp[]): string {
  const own = saidBy(seqprops(...applications), [step]);
  if (own) return inspect(own);
  const outer = saidBy(seqprops(...applications), around);
  return outer ? `${step.property}, by ${inspect(outer)}` : step.property;
}

/** Larger files are not read. */
const MAX_SOURCE = 4 * 1024 * 1024;

/** The line of the consfig, with its neighbours. */
function sourceLines(site: string, consfig: Sources): string[] {
  const position = positionOf(site, consfig);
  if (!position) return [];
  try {
    if (statSync(position.file).size > MAX_SOURCE) return [];
    const lines = readFileSync(position.file, "utf8").split("\n");
    const first = Math.max(1, position.line - 1);
    return lines.slice(first - 1, position.line + 1).flatMap((line, index) => {
      const isIt = first + index === position.line;
      const before = `${isIt ? "▸" : " "} ${first + index}  `;
      const room = columns() - INDENT - before.length - 1;
      const shown = before + excerpted(line, isIt ? position.column : 1, room).text;
      return fact("", isIt ? shown : colour.dim(shown));
    });
  } catch {
    return [];
  }
}

/** The frames of properties and the consfig, without Node's and the engine's. */
function stackLines(stack: string | undefined, root: string): string[] {
  const isEngine = (frame: string) => {
    const file = /[( ]([^()\s]+):\d+:\d+\)?$/.exec(frame)?.[1] ?? "";
    return path.resolve(root, file).startsWith(path.join(packageRoot, "lib") + path.sep);
  };
  const frames = (stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && !/[( ](node:|consfigurator\/lib\/)/.test(line))
    .filter((line) => !isEngine(line))
    .map((line) => line.replaceAll(packageRoot + path.sep, "consfigurator/"));
  return frames.length > 0 ? prose("stack", frames.join("\n"), colour.dim) : [];
}

function stepSummary({ steps, changed, skipped }: Report): string[] {
  const unchanged = steps.filter(({ status }) => status === "unchanged").length;
  const list = (all: readonly StepReport[], paint: (text: string) => string) =>
    all.map(({ desc, reason }) => paint(reason ? `${desc} (${reason})` : desc)).join("\n");
  return [
    ...(changed.length > 0 ? fact("changed", list(changed, colour.green)) : fact("changed", "nothing")),
    ...(skipped.length > 0 ? fact("skipped", list(skipped, colour.yellow)) : []),
    ...(unchanged > 0 ? fact("unchanged", `${unchanged} ${unchanged === 1 ? "step" : "steps"}`) : []),
    ...prose(
      "retry",
      `checks every step again: leaves what holds, repeats what failed${skipped.length > 0 ? ", then runs what was skipped" : ""}`,
    ),
  ];
}

function nextOf({ host, status }: Report): string {
  if (status === "refused") return "fix the consfig, then .retry";
  return `.retry, or .shell ${host} to look around`;
}
