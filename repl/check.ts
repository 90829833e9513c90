import { existsSync } from "node:fs";
import path from "node:path";
import { type Complaint, complaintsOf } from "../lib/controller/validate";
import { type Host, hosts } from "../lib/model/host";
import { checkTypes } from "../lib/source/check";
import { type Consfig, ConsfigLoadError, openConsfig } from "../lib/source/consfig";
import { sourceDirectories } from "../lib/source/sources";
import { colour } from "./_colour";
import { printError } from "./print";
import type { Out } from "./views/view";

/** One thing that is wrong with a consfig, as `consfig check --json` gives it. */
export interface Problem {
  /** What found it: the type checker, loading the consfig, or preparing a host. */
  readonly found: "types" | "loading" | "host";
  /** The host, when it is about one. */
  readonly host?: string;
  /** Relative to the consfig. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
}

/** The version of what `consfig check --json` prints; raised when a reader would have to change. */
const VERSION = 1;

/**
 * Checks the consfig in `directory` without connecting to anything: it loads, its types fit, and every host can be
 * prepared, with the deployments nested in it. Says all that is wrong, with its lines; with `json` as one object. Gives
 * the exit code: 0, or 2 when something is wrong.
 */
export async function check(directory: string, out: Out, { json = false } = {}): Promise<number> {
  const types = checkTypes(directory); // in a process of its own, meanwhile
  types.catch(() => {}); // waited for below
  const consfig = openConsfig(directory);
  const { error, notices } = consfig.refresh();
  const prepared = error ? [] : hosts.values().flatMap(problemsOf);
  const ofTypes = (await types).map(({ source: _, ...rest }): Problem => ({ found: "types", ...rest }));
  const isNone = !sourceDirectories.some((each) => existsSync(path.join(consfig.root, each)));
  const problems = isNone
    ? notices.map((message): Problem => ({ found: "loading", message }))
    : [...ofTypes, ...loading(error, consfig, ofTypes), ...prepared];
  const names = error ? [] : hosts.names();
  const say = (text: string) => void out.write(`${text}\n`);
  if (json) {
    say(JSON.stringify({ v: VERSION, ok: problems.length === 0, hosts: names, notices, problems }));
  } else {
    for (const notice of isNone ? [] : notices) say(notice);
    for (const problem of problems) say(asText(problem, error));
    if (problems.length > 0)
      say(`${problems.length} ${problems.length === 1 ? "thing is" : "things are"} wrong`);
    else say(`types fit, and every host can be prepared: ${names.join(", ") || "there is none"}`);
  }
  return problems.length > 0 ? 2 : 0;
}

/** What loading stumbled over, unless the type checker said the same of the same place. */
function loading(error: Error | undefined, consfig: Consfig, types: readonly Problem[]): Problem[] {
  if (!error) return [];
  if (!(error instanceof ConsfigLoadError)) return [{ found: "loading", message: error.message }];
  const { line, column, reason } = error;
  const file = path.relative(consfig.root, error.file);
  if (types.some((each) => each.file === file && each.line === line && each.column === column)) return [];
  return [
    {
      found: "loading",
      file,
      ...(line !== undefined && { line }),
      ...(column !== undefined && { column }),
      message: reason,
    },
  ];
}

const problemsOf = (host: Host): Problem[] => complaintsOf(host).map((each) => ofHost(host, each));

function ofHost({ name }: Host, { site, message }: Complaint): Problem {
  const [, file = site, line, column] = /^(.*):(\d+):(\d+)$/.exec(site) ?? [];
  const place = line !== undefined && { line: Number(line), column: Number(column) };
  return { found: "host", host: name, file, ...place, message };
}

function asText(problem: Problem, error: Error | undefined): string {
  const { found, host, file, line, column, message } = problem;
  if (found === "loading" && error) return printError(error);
  if (file === undefined) return colour.red(message);
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  return `${place}: ${host === undefined ? "" : `${host}: `}${colour.red(message)}`;
}
