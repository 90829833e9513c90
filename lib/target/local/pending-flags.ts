import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { FailedChange } from "../../model/errors";
import type { FlagStore } from "../pending-flags";

/**
 * Marks of the user whom we run as. They are written without fsync, which would cost more than all the rest: what
 * they are about is written after them, and a journal keeps that order.
 */
export const localMarks: FlagStore = {
  list: async () =>
    failAs("look for marks", () => readdirSync(directory()).filter((name) => !name.startsWith(".")), []),
  write: async (name, text) =>
    failAs(`write the mark ${name}`, () => {
      mkdirSync(directory(), { recursive: true, mode: 0o700 });
      const temporary = path.join(directory(), `.${randomBytes(9).toString("hex")}`);
      writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
      renameSync(temporary, path.join(directory(), name));
    }),
  remove: async (name) =>
    failAs(`remove the mark ${name}`, () => rmSync(path.join(directory(), name), { force: true })),
};

function directory(): string {
  const given = process.env["XDG_STATE_HOME"];
  const base = given?.startsWith("/") ? given : path.join(process.env["HOME"] || homedir(), ".local/state");
  return path.join(base, "consfigurator", "pending");
}

/** What the system says against `act` is a `FailedChange`; where there is no such directory, `missing`. */
function failAs<T>(what: string, act: () => T, missing?: T): T {
  try {
    return act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && missing !== undefined) return missing;
    throw new FailedChange(`cannot ${what} in ${directory()}: ${message}`);
  }
}
