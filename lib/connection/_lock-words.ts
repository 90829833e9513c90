import { waitsFor } from "../model/host-lock";

/** The notice of a deployment that keeps nobody off. */
export const notLocked = (why: string): string =>
  `other deployments are not kept off this host while this one runs: ${why}`;

/** What is told of the holder that the host has found: what it is, its account, and more by what it is. */
export function waitReason(kind: string, [as = "", ...words]: readonly string[]): string {
  if (kind === "deployment") {
    const [, deployment = "", by = "", since = "", , pid = ""] = words;
    const remedy = `; as root, \`kill ${pid}\` frees the host, and that deployment may go on beside this one`;
    return `${waitsFor({ deployment, by, since, as })}${pid === "" ? "" : remedy}`;
  }
  if (kind !== "process")
    return "a process that this user cannot see has locked the host; waiting for it to finish; root finds it with `lslocks`";
  const [pid = "", name = ""] = words;
  return `${name} (pid ${pid}, of ${as}) has locked the host, and is no deployment; waiting for it to finish; as root, \`kill ${pid}\` ends it`;
}

/** `: ` and the last line of what was printed; "" when that is nothing. */
export function lastLine(errors: string): string {
  const line = errors.trim().split("\n").at(-1);
  return line ? `: ${line}` : "";
}
