import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { FailedChange } from "../../model/errors";
import type { FlagStore } from "../pending-flags";

/**
 * The flags of the current user. They are written without fsync, which would cost more than everything else: what they
 * guard is written after them, and a journalling file system keeps that order.
 */
export const localFlags: FlagStore = {
  list: async () =>
    failAs("list flags", () => readdirSync(directory()).filter((name) => !name.startsWith(".")), []),
  write: async (name, text) =>
    failAs(`write the flag ${name}`, () => {
      mkdirSync(directory(), { recursive: true, mode: 0o700 });
      const temporary = path.join(directory(), `.${randomBytes(9).toString("hex")}`);
      writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
      renameSync(temporary, path.join(directory(), name));
    }),
  remove: async (name, tidy) => {
    failAs(`remove the flag ${name}`, () => rmSync(path.join(directory(), name), { force: true }));
    if (tidy) removeEmpty(directory());
  },
};

/** Removes the directory and those around it that are empty, but not the home directory, nor one that the user has named. */
function removeEmpty(directory: string): void {
  const around = path.dirname(path.dirname(directory));
  const isNamed = process.env["XDG_STATE_HOME"]?.startsWith("/");
  try {
    for (const each of [
      directory,
      path.dirname(directory),
      ...(isNamed ? [] : [around, path.dirname(around)]),
    ])
      rmdirSync(each);
  } catch {
    // It is not empty, or does not exist.
  }
}

function directory(): string {
  const given = process.env["XDG_STATE_HOME"];
  const base = given?.startsWith("/") ? given : path.join(process.env["HOME"] || homedir(), ".local/state");
  return path.join(base, "consfigurator", "pending");
}

/** The result of `act`; its errors become a `FailedChange`. Returns `missing` if the directory does not exist. */
function failAs<T>(what: string, act: () => T, missing?: T): T {
  try {
    return act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && missing !== undefined) return missing;
    throw new FailedChange(`cannot ${what} in ${directory()}: ${message}`);
  }
}
