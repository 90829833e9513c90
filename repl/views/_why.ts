import { readFileSync } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { seqprops } from "../../lib/combinators";
import { saidBy } from "../../lib/controller/leave-out";
import { hosts } from "../../lib/model/host";
import type { Report, StepReport } from "../../lib/model/report";
import { root as packageRoot } from "../../lib/util/package.js";
import { colour } from "../_colour";
import { fitted } from "../_layout";
import { placeOf } from "../editor";
import { duration } from "./_units";
import { commandInWords, failureInWords, plain } from "./_words";

/** All that is known of why a host failed: for whoever has to mend it. `root`: the consfig. */
export function whyText(report: Report, root: string): string {
  const { host, failed, failure, ms, status } = report;
  const lines = [`${colour.red("✗")} ${colour.bold(host)} ${status} after ${duration(ms)}`];
  for (const step of failed) lines.push(...whyOfStep(step, report, root));
  const known = failure && failed.some((step) => step.failure?.message === failure.message);
  if (failure && !known)
    lines.push(...prose("error", failureInWords(failure)), ...stackLines(failure.stack, root));
  if (status !== "refused" && report.steps.length > 0) lines.push(...whatIsDone(report));
  lines.push(...prose("next", nextOf(report)));
  return lines.join("\n");
}

function whyOfStep(step: StepReport, report: Report, root: string): string[] {
  const { failure, desc, site, ms, commands = [] } = step;
  const around = stepsAround(step, report);
  const command = failure?.command;
  const output = plain(step.output).trimEnd();
  const own = command
    ? [command.stdout, command.stderr]
        .map((text) => plain(text).trim())
        .filter(Boolean)
        .join("\n")
    : "";
  return [
    ...prose("step", `${desc}, after ${duration(ms)}`),
    ...fact("property", asCode(step, around, report)),
    ...fact("said at", site),
    ...sourceLines(site, root),
    ...(around.length > 0 ? fact("inside", around.map((each) => each.desc).join("\n")) : []),
    ...(command ? [...fact("command", command.command), ...fact("exit code", `${command.exit}`)] : []),
    ...(commands.length > 0 ? fact("ran", commands.map(commandInWords).join("\n")) : []),
    ...(output || own ? fact("output", output || own, colour.dim("| ")) : []),
    ...(failure ? prose("error", failureInWords(failure), colour.red) : []),
    ...stackLines(failure?.stack, root),
  ];
}

const WIDTH = 10;
const INDENT = WIDTH + 3;

/** `name  text`, further lines of the text below its first. */
function fact(name: string, text: string, mark = ""): string[] {
  return text
    .split("\n")
    .map((line, index) => `  ${colour.cyan((index === 0 ? name : "").padEnd(WIDTH))} ${mark}${line}`);
}

/** As `fact`; what is wider than the terminal goes on below, at a word. */
const prose = (name: string, text: string, paint = (line: string) => line): string[] =>
  fact(
    name,
    fitted(text, " ".repeat(INDENT))
      .map((line) => paint(line.slice(INDENT)))
      .join("\n"),
  );

function stepsAround({ parent }: StepReport, report: Report): StepReport[] {
  const outer = report.steps.find(({ step }) => step === parent);
  return outer ? [outer, ...stepsAround(outer, report)] : [];
}

/** The property as the consfig says it; what a property makes by itself stands nowhere, and has only its name. */
function asCode(step: StepReport, around: readonly StepReport[], { host }: Report): string {
  const applications = hosts.get(host)?.applications ?? [];
  const said = saidBy(seqprops(...applications), [step]);
  if (said) return inspect(said);
  const outer = saidBy(seqprops(...applications), around);
  return outer ? `${step.property}, by ${inspect(outer)}` : step.property;
}

/** The line of the consfig, with those beside it. */
function sourceLines(site: string, root: string): string[] {
  const place = placeOf(site, root);
  if (!place) return [];
  try {
    const lines = readFileSync(path.resolve(root, place.file), "utf8").split("\n");
    const first = Math.max(1, place.line - 1);
    return lines.slice(first - 1, place.line + 1).flatMap((line, index) => {
      const shown = `${first + index === place.line ? "▸" : " "} ${first + index}  ${line}`;
      return fact("", first + index === place.line ? shown : colour.dim(shown));
    });
  } catch {
    return [];
  }
}

/** The frames that tell where: neither Node's, nor those by which the engine came to the property. */
function stackLines(stack: string | undefined, root: string): string[] {
  const isEngine = (frame: string) => {
    const place = /[( ]([^()\s]+):\d+:\d+\)?$/.exec(frame)?.[1] ?? "";
    return path.resolve(root, place).startsWith(path.join(packageRoot, "lib") + path.sep);
  };
  const frames = (stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && !/[( ](node:|consfigurator\/lib\/)/.test(line))
    .filter((line) => !isEngine(line))
    .map((line) => line.replaceAll(packageRoot + path.sep, "consfigurator/"));
  return frames.length > 0 ? fact("stack", frames.map((frame) => colour.dim(frame)).join("\n")) : [];
}

function whatIsDone({ steps, changed, skipped }: Report): string[] {
  const unchanged = steps.filter(({ status }) => status === "unchanged").length;
  const list = (all: readonly StepReport[], paint: (text: string) => string) =>
    all.map(({ desc, reason }) => paint(reason ? `${desc} (${reason})` : desc)).join("\n");
  return [
    ...(changed.length > 0 ? fact("changed", list(changed, colour.green)) : fact("changed", "nothing")),
    ...(skipped.length > 0 ? fact("not done", list(skipped, colour.yellow)) : []),
    ...(unchanged > 0 ? fact("held", `${unchanged} ${unchanged === 1 ? "step" : "steps"}`) : []),
    ...prose(
      "a retry",
      `looks at every step again: what holds is left as it is, what failed is tried again${skipped.length > 0 ? ", what was not done follows" : ""}`,
    ),
  ];
}

function nextOf({ host, status }: Report): string {
  if (status === "refused") return "correct the consfig, then .retry";
  return `.retry, or .shell ${host} to look around`;
}
