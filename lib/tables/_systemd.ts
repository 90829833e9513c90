import type { PosixTarget } from "../model/target";
import { askedOf } from "./_absent";

/** The properties `names` of the units that match `pattern` and that systemd has loaded, one map a unit. */
export async function unitsMatching(
  target: PosixTarget,
  pattern: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>[]> {
  const shown = ["systemctl", "show", "--no-pager", "--timestamp=unix"];
  const { stdout } = await askedOf(
    target,
    [...shown, "-p", ["Id", "LoadState", ...names].join(","), "--", pattern],
    "the host has no systemctl(1): it is not run by systemd, whose units this table has",
  );
  return stdout
    .split("\n\n")
    .map((block) => new Map(block.split("\n").map((line) => fieldOf(line))))
    .filter((unit) => unit.get("Id") && unit.get("LoadState") !== "not-found")
    .sort((one, other) => ((one.get("Id") ?? "") < (other.get("Id") ?? "") ? -1 : 1));
}

function fieldOf(line: string): [string, string] {
  const at = line.indexOf("=");
  return [line.slice(0, at), line.slice(at + 1)];
}

/** A time as `--timestamp=unix` prints it, as ISO 8601; null for none. */
export function timeOf(text: string | undefined): string | null {
  const seconds = Number(text?.replace("@", ""));
  return seconds > 0 ? new Date(seconds * 1000).toISOString() : null;
}

/** A count of microseconds since 1970, as ISO 8601; null for none, which systemd gives as 0 or as the greatest number. */
export function microsecondsOf(text: string | undefined): string | null {
  const seconds = Number(text) / 1_000_000;
  return seconds > 0 && seconds < 1e11 ? new Date(seconds * 1000).toISOString() : null;
}
