import { existsSync } from "node:fs";
import path from "node:path";
import { type Complaint, checked } from "../lib/controller/validate";
import { type AvailableDatum, availableDatumAsText } from "../lib/model/data-names";
import { type Host, hosts } from "../lib/model/host";
import { checkTypes } from "../lib/source/check";
import { type Consfig, ConsfigLoadError, openConsfig } from "../lib/source/consfig";
import { checkedDirectories, sourceDirectories } from "../lib/source/sources";
import { colour } from "./_colour";
import { printError } from "./print";
import type { Out } from "./views/view";

/** A problem in a consfig, as `consfig check --json` prints it. */
export interface Problem {
  /** Where it was found: by the type checker, while loading the consfig, or while preparing a host. */
  readonly found: "types" | "loading" | "host";
  /** The host, if it concerns one. */
  readonly host?: string;
  /** Relative to the consfig. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
}

/** A datum that hosts need, as `consfig check --json` prints it. */
export interface NeededDatum extends AvailableDatum {
  readonly hosts: readonly string[];
}

/** The version of the output of `consfig check --json`; raised when readers have to change. */
const VERSION = 1;

/**
 * Checks the consfig in `directory` without connecting to any host: loads it, checks its types and those of the modules that
 * its properties name, and prepares every host with its nested deployments, what would be sent to it, and the data that it
 * needs. Prints every problem with its line, and the data with its source; with `json`, one object. Returns the exit code: 0, or 2 if there are problems.
 */
export async function check(directory: string, out: Out, { json = false } = {}): Promise<number> {
  const types = checkTypes(directory); // in a separate process, in parallel
  types.catch(() => {}); // awaited below
  const consfig = openConsfig(directory);
  const { error, notices } = consfig.refresh();
  const results = await Promise.all(
    (error ? [] : hosts.values()).map(async (host) => ({ host, ...(await checked(host, consfig)) })),
  );
  const prepared = results.flatMap(({ host, complaints }) => complaints.map((each) => ofHost(host, each)));
  const modules = consfig
    .moduleFiles(results.flatMap((each) => each.modules))
    .filter((file) => !isChecked(path.relative(consfig.root, file)));
  const found = await (modules.length > 0 ? checkTypes(directory, { modules }) : types);
  const typeErrors = found.map(({ source: _, ...rest }): Problem => ({ found: "types", ...rest }));
  const isEmpty = !sourceDirectories.some((each) => existsSync(path.join(consfig.root, each)));
  const problems = isEmpty
    ? notices.map((message): Problem => ({ found: "loading", message }))
    : [...typeErrors, ...loading(error, consfig, typeErrors), ...prepared];
  const names = error ? [] : hosts.names();
  const data = neededData(results);
  const print = (text: string) => void out.write(`${text}\n`);
  if (json) {
    print(JSON.stringify({ v: VERSION, ok: problems.length === 0, hosts: names, data, notices, problems }));
  } else {
    for (const notice of isEmpty ? [] : notices) print(notice);
    for (const problem of problems) print(asText(problem, error));
    for (const each of data) print(`${each.hosts.join(", ")}: needs the data ${availableDatumAsText(each)}`);
    if (problems.length > 0)
      print(`${problems.length} ${problems.length === 1 ? "problem" : "problems"} found`);
    else
      print(names.length > 0 ? `types OK, all hosts prepare: ${names.join(", ")}` : "types OK, no hosts yet");
  }
  return problems.length > 0 ? 2 : 0;
}

/** Each datum once, sorted by its names. */
function neededData(
  results: readonly { readonly host: Host; readonly data: readonly AvailableDatum[] }[],
): NeededDatum[] {
  const needed = results.flatMap(({ host, data }) => data.map((each) => ({ host: host.name, ...each })));
  const sorted = [...Map.groupBy(needed, ({ datum }) => JSON.stringify(datum))].sort(([one], [other]) =>
    one.localeCompare(other),
  );
  return sorted.flatMap(([, same]) =>
    same.slice(0, 1).map(({ host: _, ...datum }) => ({ ...datum, hosts: same.map(({ host }) => host) })),
  );
}

/** Whether the types of a file, relative to the consfig, are checked in any case. */
const isChecked = (file: string): boolean => checkedDirectories.includes(file.split(path.sep)[0] ?? "");

/** The load error, unless the type checker reported the same position. */
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

function ofHost({ name }: Host, { site, message }: Complaint): Problem {
  const [, file = site, line, column] = /^(.*):(\d+):(\d+)$/.exec(site) ?? [];
  const position = line !== undefined && { line: Number(line), column: Number(column) };
  return { found: "host", host: name, file, ...position, message };
}

function asText(problem: Problem, error: Error | undefined): string {
  const { found, host, file, line, column, message } = problem;
  if (found === "loading" && error) return printError(error);
  if (file === undefined) return colour.red(message);
  const position = [file, line, column].filter((part) => part !== undefined).join(":");
  return `${position}: ${host === undefined ? "" : `${host}: `}${colour.red(message)}`;
}
