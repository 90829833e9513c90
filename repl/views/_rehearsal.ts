/** What a rehearsal found in its clone, in words. */
import type { CountedFiles, Rehearsal } from "../../lib/model/rehearsal";
import { colour } from "../_colour";
import { fitted } from "../_layout";
import { changeLines } from "./_changes";
import { duration, megabytes } from "./_units";

/** The lines of `rehearsal`, each beginning with `indent`. `full`: diffs are not folded. */
export function rehearsalLines(
  { changes, counted, units, notTried, cloneMs, memory }: Rehearsal,
  indent: string,
  full = false,
): string[] {
  const inside = `${indent}  `;
  const files = [...changeLines(changes, inside, full), ...countedLines(counted, inside)];
  const started = units.map(({ unit, state, healthy }) => {
    const line = `${inside}${unit}: ${state}`;
    return healthy ? line : colour.red(line);
  });
  return [
    ...(files.length > 0 ? [`${indent}files that differ in the clone:`, ...files] : []),
    ...(started.length > 0 ? [`${indent}units that were started in it:`, ...started] : []),
    ...(notTried.length > 0 ? [`${indent}not tried:`] : []),
    ...notTried.flatMap((each) => fitted(each, inside)).map((line) => colour.yellow(line)),
    ...fitted(
      `the clone was up after ${duration(cloneMs)}, and its files took ${megabytes(memory)} MB of memory; it is gone`,
      indent,
    ).map((line) => colour.dim(line)),
  ];
}

/** `and 34 in /usr/share, 5 in /var/log`; nothing when there are none. `rest`: where they are listed. */
export function countedLines(counted: readonly CountedFiles[], indent: string, rest = ""): string[] {
  const all = counted.map(({ directory, files }) => `${files} in ${directory}`);
  return all.length > 0 ? fitted(`and ${all.join(", ")}${rest}`, indent).map((line) => colour.dim(line)) : [];
}
