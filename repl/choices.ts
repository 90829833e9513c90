import { hosts } from "../lib/model/host";
import type { Report } from "../lib/model/report";
import { colour } from "./_colour";
import { userFrames } from "./_frames";
import { columns, cut } from "./_layout";
import { type EditorPosition, editorAt, placeOf } from "./editor";
import type { Failures, Shell } from "./shell";
import type { Terminal } from "./terminal";
import { isConnectionFailure, isExpected } from "./views/_words";

/** What can be done after a deployment failed, under the digit that chooses it. */
interface Choice {
  readonly key: string;
  readonly does: string;
  /** True: it leads to another question. */
  act(): Promise<boolean>;
}

/**
 * After a deployment that failed: asks what is to be done, does it, and asks again as long as something fails. Nothing
 * is chosen by Enter, which stops.
 */
export async function offerChoices(shell: Shell, terminal: Terminal, signal: AbortSignal): Promise<void> {
  for (let again = true; again; ) {
    const choices = choicesFor(shell.failures, shell, terminal, signal);
    if (choices.length <= 1) return;
    const keys = choices.map(({ key }) => key).join("");
    for (const { key, does } of choices) shell.say(`  ${colour.cyan(key)}  ${cut(does, columns() - 6)}`);
    shell.out.write(colour.yellow(`${namesOf(shell.failures)} failed; what now? [${keys}] `));
    const key = await terminal.key(keys, STOP);
    again = (await choices.find((choice) => choice.key === key)?.act()) ?? false;
  }
}

const STOP = "4";

function choicesFor(failures: Failures, shell: Shell, terminal: Terminal, signal: AbortSignal): Choice[] {
  const reports = failures.flatMap((each) => each.reports);
  const steps = reports
    .flatMap(({ failed }) => failed)
    .filter(({ failure }) => failure?.name !== "ConnectionFailed");
  const place = reports.map((report) => placeToMend(report, shell)).find(Boolean);
  const refused = reports.length > 0 && reports.every(({ status }) => status === "refused");
  const reachable = reports.find((report) => report.status === "failed" && !isConnectionFailure(report));
  const retry = async (options = {}) => (await shell.again(failures, { ...options, signal })).length > 0;
  const all: (Choice | false)[] = [
    (!refused || place !== undefined) && {
      key: "1",
      does: refused
        ? "retry, when that is mended"
        : `retry${reports.length > 1 ? `, on these ${reports.length} hosts` : ""}: what holds already is left as it is`,
      act: () => retry(),
    },
    place !== undefined && {
      key: "2",
      does: `edit ${shell.workspace.shortPath(place.file)}:${place.line}, then retry`,
      act: async () => {
        const edited = await edit(place, shell, terminal);
        return edited ? retry() : true;
      },
    },
    steps.length > 0 && {
      key: "3",
      does: `skip: deploy again without ${steps.length === 1 ? steps[0]?.desc : `the ${steps.length} steps that failed`}`,
      act: () => retry({ leaveOut: true }),
    },
    {
      key: STOP,
      does: "stop (Enter); .why tells all, .retry and .shell come back to it",
      act: async () => false,
    },
    reachable !== undefined && {
      key: "5",
      does: `open a shell on ${reachable.host}`,
      act: async () => {
        await openShellOn(reachable.host, shell, terminal);
        return true;
      },
    },
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

/** Where the consfig throws what no property throws on purpose; else where it says what failed; of a host that was not reached, where it says how to reach it. */
function placeToMend({ host, failed, failure }: Report, shell: Shell): EditorPosition | undefined {
  const [first] = failed;
  const thrown =
    first?.failure && !isExpected(first.failure) ? userFrames(first.failure.stack)[0] : undefined;
  const [thrownAt] = /[^\s()]+:\d+:\d+/.exec(thrown ?? "") ?? [];
  const own = thrownAt && placeOf(thrownAt, shell.workspace.consfig.root);
  if (own) return own;
  const said = first?.site ?? /(?:^| at )([^\s:]+:\d+:\d+)/.exec(failure?.message ?? "")?.[1];
  const site = said ?? hosts.get(host)?.site;
  return site === undefined ? undefined : placeOf(site, shell.workspace.consfig.root);
}

/** The person edits; false when that was not possible, or the consfig does not load afterwards. */
async function edit(place: EditorPosition, shell: Shell, terminal: Terminal): Promise<boolean> {
  const editor = editorAt(place);
  if (!editor) {
    shell.say("there is no editor; say which one is yours with the environment variable EDITOR");
    return false;
  }
  const [program, ...args] = editor;
  try {
    await terminal.run(program, args);
  } catch (error) {
    shell.say(`${program} cannot be started: ${(error as Error).message}; EDITOR says which one is yours`);
    return false;
  }
  try {
    shell.refresh();
    return true;
  } catch (error) {
    shell.sayError(error);
    return false;
  }
}

/** A shell on `host`, as it was deployed to last or says itself. Errors are said. */
export async function openShellOn(host: string, shell: Shell, terminal: Terminal): Promise<void> {
  const hops = shell.hopsTo(host);
  shell.say(colour.dim(`a shell on ${host}; exit or Ctrl-D comes back here`));
  try {
    await terminal.shell(host, hops);
  } catch (error) {
    shell.sayError(error);
  }
}
