import { hasDeviated } from "../lib/controller/bound-plan";
import { hosts } from "../lib/model/host";
import type { Report } from "../lib/model/report";
import { colour } from "./_colour";
import { userFrames } from "./_frames";
import { beside } from "./_layout";
import { type EditorPosition, editorAt, positionOf } from "./editor";
import type { Failures, Shell } from "./shell";
import type { Terminal } from "./terminal";
import { isConnectionFailure, isExpected } from "./views/_words";

/** An action offered after a failed deployment, and the digit that chooses it. */
interface Choice {
  readonly key: string;
  readonly label: string;
  /** Resolves with true to ask again. */
  act(): Promise<boolean>;
}

/** After a failed deployment: asks what to do, does it, and asks again while something fails. Enter stops. */
export async function offerChoices(shell: Shell, terminal: Terminal, signal: AbortSignal): Promise<void> {
  for (let again = true; again; ) {
    const { failures } = shell;
    const isPlanned = failures.some(({ reports }) => reports.some(hasDeviated));
    const choices = isPlanned
      ? choicesOfPlan(failures, shell, terminal, signal)
      : choicesFor(failures, shell, terminal, signal);
    if (choices.length <= 1) return;
    const happened = isPlanned ? notAsPlanned(failures) : `${namesOf(failures)} failed`;
    again = await choose(happened, choices, shell, terminal);
  }
}

/** Asks which of `choices` to take, and does it. Resolves with true to ask again. */
async function choose(
  happened: string,
  choices: readonly Choice[],
  shell: Shell,
  terminal: Terminal,
): Promise<boolean> {
  const keys = choices.map(({ key }) => key).join("");
  for (const { key, label } of choices) shell.print(beside(`  ${colour.cyan(key)}  `, 5, label));
  shell.out.write(colour.yellow(`${happened}; what now? [${keys}] `));
  const key = await terminal.key(keys, STOP);
  return (await choices.find((choice) => choice.key === key)?.act()) ?? false;
}

const STOP = "4";
const stop: Choice = {
  key: STOP,
  label: "stop (Enter); continue later with .why, .retry or .shell",
  act: async () => false,
};

/** What is offered when steps of a deployment that is bound to a plan were not as planned. */
function choicesOfPlan(failures: Failures, shell: Shell, terminal: Terminal, signal: AbortSignal): Choice[] {
  const reports = failures.flatMap((each) => each.reports);
  const [deviated, others] = [reports.filter(hasDeviated), reports.filter((each) => !hasDeviated(each))];
  const steps = deviated
    .flatMap(({ failed }) => failed)
    .filter(({ failure }) => failure?.name === "NotAsPlanned");
  const these = steps.length === 1 ? steps[0]?.desc : `these ${steps.length} steps`;
  const too = others.length > 0 ? `, and retry ${others.map(({ host }) => host).join(", ")}` : "";
  const [first] = deviated;
  return [
    {
      key: "1",
      label: `go on with ${these} as ${steps.length === 1 ? "it is" : "they are"} now${too}; the rest as planned`,
      act: async () => (await shell.retry(failures, { accept: true, signal })).length > 0,
    },
    {
      key: "2",
      label: "plan the rest anew, and ask again",
      act: () => replan(failures, shell, terminal, signal),
    },
    stop,
    ...(first ? [shellOn(first.host, shell, terminal)] : []),
  ];
}

function notAsPlanned(failures: Failures): string {
  const count = failures.flatMap(({ reports }) => reports).length;
  return `${namesOf(failures)} ${count === 1 ? "is" : "are"} not as planned`;
}

/** Plans `failures` anew and asks whether to do that. Resolves with true to ask again. */
async function replan(
  failures: Failures,
  shell: Shell,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<boolean> {
  const plans = await shell.replan(failures, signal);
  const deployIt: Choice = {
    key: "1",
    label: "do what this plan says",
    act: async () => {
      try {
        return (await shell.deployInstead(failures, plans, signal)).length > 0;
      } catch (error) {
        shell.printError(error);
        return true;
      }
    },
  };
  return choose("planned anew", [deployIt, stop], shell, terminal);
}

const shellOn = (host: string, shell: Shell, terminal: Terminal): Choice => ({
  key: "5",
  label: `open a shell on ${host}`,
  act: async () => {
    await openShellOn(host, shell, terminal);
    return true;
  },
});

function choicesFor(failures: Failures, shell: Shell, terminal: Terminal, signal: AbortSignal): Choice[] {
  const reports = failures.flatMap((each) => each.reports);
  const steps = reports
    .flatMap(({ failed }) => failed)
    .filter(({ failure }) => failure?.name !== "ConnectionFailed");
  const position = reports.map((report) => positionToFix(report, shell)).find(Boolean);
  const refused = reports.length > 0 && reports.every(({ status }) => status === "refused");
  const reachable = reports.find((report) => report.status === "failed" && !isConnectionFailure(report));
  const retry = async (options = {}) => (await shell.retry(failures, { ...options, signal })).length > 0;
  const all: (Choice | false)[] = [
    (!refused || position !== undefined) && {
      key: "1",
      label: refused
        ? "retry after fixing it"
        : `retry${reports.length > 1 ? ` on these ${reports.length} hosts` : ""}; finished steps are skipped`,
      act: () => retry(),
    },
    position !== undefined && {
      key: "2",
      label: `edit ${shell.workspace.shortPath(position.file)}:${position.line}, then retry`,
      act: async () => {
        const edited = await edit(position, shell, terminal);
        return edited ? retry() : true;
      },
    },
    steps.length > 0 && {
      key: "3",
      label: `skip: deploy again without ${steps.length === 1 ? steps[0]?.desc : `the ${steps.length} failed steps`}`,
      act: () => retry({ leaveOut: true }),
    },
    stop,
    reachable !== undefined && shellOn(reachable.host, shell, terminal),
  ];
  return all.filter((choice) => choice !== false);
}

/** `web1`, `web1 and web2`, `web1, web2 and 7 more`. */
function namesOf(failures: Failures): string {
  const names = failures.flatMap(({ reports }) => reports.map(({ host }) => host));
  if (names.length <= 2) return names.join(" and ");
  return names.length > 4
    ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`
    : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/**
 * For a bug in the consfig, the line that throws; for a failed step, the line that declares it; for an unreachable
 * host, its definition.
 */
function positionToFix({ host, failed, failure }: Report, shell: Shell): EditorPosition | undefined {
  const [first] = failed;
  const thrown =
    first?.failure && !isExpected(first.failure) ? userFrames(first.failure.stack)[0] : undefined;
  const [thrownAt] = /[^\s()]+:\d+:\d+/.exec(thrown ?? "") ?? [];
  const ofBug = thrownAt && positionOf(thrownAt, shell.workspace.consfig);
  if (ofBug) return ofBug;
  const declared = first?.site ?? /(?:^| at )([^\s:]+:\d+:\d+)/.exec(failure?.message ?? "")?.[1];
  const site = declared ?? hosts.get(host)?.site;
  return site === undefined ? undefined : positionOf(site, shell.workspace.consfig);
}

/** Opens the editor; false if that fails, or the consfig does not load afterwards. */
async function edit(position: EditorPosition, shell: Shell, terminal: Terminal): Promise<boolean> {
  const editor = editorAt(position);
  if (!editor) {
    shell.print("no editor found; set the environment variable EDITOR");
    return false;
  }
  const [program, ...args] = editor;
  try {
    await terminal.run(program, args);
  } catch (error) {
    shell.print(
      `cannot start ${program}: ${(error as Error).message}; set the environment variable EDITOR to your editor`,
    );
    return false;
  }
  try {
    shell.refresh();
    return true;
  } catch (error) {
    shell.printError(error);
    return false;
  }
}

/** Opens a shell on `host`, over the hops of its last deployment or of its definition. Prints errors. */
export async function openShellOn(host: string, shell: Shell, terminal: Terminal): Promise<void> {
  const hops = shell.hopsTo(host);
  shell.print(colour.dim(`shell on ${host}; exit or Ctrl-D returns here`));
  try {
    await terminal.shell(host, hops);
  } catch (error) {
    shell.printError(error);
  }
}
