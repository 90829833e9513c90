import { createHmac } from "node:crypto";
import { entriesAt, type LayerChange, stateOf } from "../connection/clone-layers";
import type { Connection } from "../model/connection";
import type { StepReport } from "../model/report";
import type { HostPlan } from "./request";

/** What differs each time, and why. */
const EXCEPTIONS: readonly (readonly [why: string, path: RegExp])[] = [
  ["logs", /^\/var\/log\//],
  ["times", /^\/var\/(lib\/systemd|cache|spool\/cron)\/|^\/etc\/\.pwd\.lock$|\/ld\.so\.cache$/],
  [
    "random keys",
    /\/ssh_host_\w+_key(\.pub)?$|^\/etc\/ssl\/private\/|^\/etc\/machine-id$|\/ssl-cert-snakeoil\.|^\/etc\/letsencrypt\//,
  ],
  ["temporary files", /^\/(run|tmp|var\/tmp)\//],
];

/**
 * What is at each path that differs after a rehearsal, or that its steps changed, for the comparison with the outcome.
 * `inside`: the clone.
 */
export async function rehearsedStates(
  inside: Connection,
  changes: readonly LayerChange[],
  changed: readonly string[],
): Promise<Record<string, string>> {
  const known = Object.fromEntries(changes.map(({ path, after }) => [path, stateOf(after)]));
  const others = changed.filter((path) => !Object.hasOwn(known, path));
  const found = await entriesAt(inside, others);
  return { ...known, ...Object.fromEntries(others.map((path) => [path, stateOf(found.get(path))])) };
}

/** `state` with a digest of its checksum, which tells nothing to anyone without `key`: the file may be secret. */
export const keyedState = (state: string, key: string): string =>
  state.replace(/[0-9a-f]{64}$/, (sha256) =>
    createHmac("sha256", Buffer.from(key, "hex")).update(sha256).digest("hex"),
  );

/** The absolute paths of the files that `steps` have changed. */
export const changedFiles = (steps: Iterable<Pick<StepReport, "changes">>): string[] =>
  [...steps]
    .flatMap(({ changes }) => changes)
    .flatMap((change) => (change.kind === "file" && change.path.startsWith("/") ? [change.path] : []));

/** Whether a path is of a file of which `steps` have shown nothing; theirs may be relative. */
export function secretFiles(steps: Iterable<Pick<StepReport, "changes">>): (path: string) => boolean {
  const secrets = [...steps]
    .flatMap(({ changes }) => changes)
    .flatMap((change) =>
      change.kind === "file" && change.content?.form === "secret" ? [change.renamed ?? change.path] : [],
    );
  return (path) => secrets.some((each) => path === each || path.endsWith(`/${each.replace(/^~\//, "")}`));
}

/**
 * The files of the host of `connection` against those of its rehearsal: one line, and one for each difference. `changed`: the
 * paths that the deployment says it has changed.
 */
export async function fileComparison(
  connection: Connection,
  { rehearsed = {}, key }: Pick<HostPlan, "rehearsed" | "key">,
  changed: readonly string[],
): Promise<string> {
  const paths = [...new Set([...Object.keys(rehearsed), ...changed])].sort();
  const found = await entriesAt(connection, paths);
  const differences = paths.flatMap((path) => {
    const state = keyedState(stateOf(found.get(path)), key);
    const expected = rehearsed[path] ?? "not changed";
    return state === expected ? [] : [{ path, expected, state, why: exceptionFor(path) }];
  });
  const excepted = Map.groupBy(
    differences.filter(({ why }) => why),
    ({ why }) => why,
  );
  const count = (number: number) => `${number} ${number === 1 ? "file" : "files"}`;
  const but = [...excepted].map(([why, { length }]) => `${length} with ${why}`);
  return [
    `as rehearsed: ${count(paths.length - differences.length)} of ${paths.length}${but.length > 0 ? `; different each time: ${but.join(", ")}` : ""}`,
    ...differences
      .filter(({ why }) => why === undefined)
      .map(({ path, expected, state }) => `  ${path}: rehearsed: ${shown(expected)}; now: ${shown(state)}`),
  ].join("\n");
}

const exceptionFor = (path: string): string | undefined =>
  EXCEPTIONS.find(([, pattern]) => pattern.test(path))?.[0];

/** A state without most digits of the digest. */
const shown = (state: string): string => state.replace(/ ([0-9a-f]{8})[0-9a-f]{56}$/, ", content $1…");
