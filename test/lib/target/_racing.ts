/**
 * Another user who can write to the directory that root works in, and exchanges files, links and directories as fast as it
 * can.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { targetOf } from "consfigurator/testing";
import { FailedChange } from "../../../lib/model/errors";
import type { PosixTarget } from "../../../lib/model/target";

export type Kind = "agent" | "posix";

/** Why there is no race; false: there can be one. */
export const noRace =
  process.geteuid?.() === 0 && process.platform === "linux" ? false : "only root has anything to lose";

/** The user `nobody`, without any rights. */
const ATTACKER = 65534;

/** What root does at `p`, which the attacker keeps exchanging. */
const ACTS: Record<string, (target: PosixTarget, p: string, base: string) => Promise<unknown>> = {
  "writes a new file, or an existing one": (target, p) => target.writeFile(p, "of root, for the user\n"),
  "edits lines": (target, p) => target.editLines(p, (lines) => [...lines.slice(0, 3), `${Math.random()}`]),
  "sets the mode": (target, p) => target.setMode(p, Math.random() < 0.5 ? 0o666 : 0o4777),
  "sets the owner": (target, p) => target.setOwner(p, { user: "nobody", group: "nogroup" }),
  "makes a link": (target, p) => target.symlink(p, `${Math.random()}`),
  renames: async (target, p, base) => {
    fs.writeFileSync(path.join(base, "from"), "of root, for the user\n");
    await target.rename(path.join(base, "from"), p);
  },
  removes: (target, p) => target.remove(p),
  "removes recursively": (target, p) => target.remove(p, { recursive: true }),
  "empties a directory": (target, p) => target.emptyDirectory(p),
  "removes an empty directory": (target, p) => target.removeEmptyDirectory(p),
  "copies to": (target, p, base) => target.copyFile(path.join(base, "public"), p),
  "copies from": async (target, p, base) => {
    await target.copyFile(p, path.join(base, "copy"));
    assert.doesNotMatch(fs.readFileSync(path.join(base, "copy"), "utf8"), /of root: secret/);
  },
  "makes a directory with parents": (target, p) => target.makeDirectory(`${p}/a/b`, { mode: 0o777 }),
  "writes below a directory with parents": (target, p) =>
    target.ensureContent(`${p}/a/b/f`, `${Math.random()}`),
  "gives files to another owner": (target, p) =>
    target.reassignOwner(p, { uid: 0, gid: 0 }, { uid: ATTACKER, gid: ATTACKER }),
  "makes a temporary file": (target, p) =>
    target.withTemporaryFile(async (file) => fs.writeFileSync(file, "of root\n"), { directory: p }),
};

export const actNames = Object.keys(ACTS);

/** Files of root's, a directory of the attacker's, and what is left of the first. */
export class Races {
  readonly #base = fs.mkdtempSync(path.join(tmpdir(), "racing-user-"));
  /** Root's, and nobody else's business. */
  readonly #victims = path.join(this.#base, "root");
  /** The attacker's own directory, in which root is to act. */
  readonly #arena = path.join(this.#base, "home");
  /** A Node that the attacker may run. */
  readonly #node = path.join(this.#base, "node");
  readonly #untouched: Record<string, string>;

  constructor() {
    fs.chmodSync(this.#base, 0o755);
    fs.mkdirSync(path.join(this.#victims, "directory/inner"), { recursive: true });
    for (const [name, mode] of [
      ["secret", 0o600],
      ["setuid", 0o4755],
      ["directory/kept", 0o644],
      ["directory/inner/kept", 0o644],
    ] as const) {
      fs.writeFileSync(path.join(this.#victims, name), `of root: ${name}\n`);
      fs.chmodSync(path.join(this.#victims, name), mode);
    }
    fs.copyFileSync(process.execPath, this.#node);
    this.#renewArena();
    this.#untouched = picture(this.#victims);
  }

  /** Root does the act `name` so many times. Throws when the attacker has gained anything. */
  async run(kind: Kind, name: string, rounds: number): Promise<void> {
    fs.writeFileSync(path.join(this.#base, "public"), "public\n");
    fs.rmSync(path.join(this.#base, "copy"), { force: true });
    const attacker = attack(this.#node, this.#arena, this.#victims);
    try {
      const target = targetOf(kind);
      const p = path.join(this.#arena, "p");
      while (!fs.existsSync(path.join(this.#arena, "hard-ready"))) await sleep(5);
      for (let round = 0; round < rounds; round += 1) {
        this.#supplyHardLinks();
        try {
          await ACTS[name]?.(target, p, this.#base);
        } catch (error) {
          if (!(error instanceof FailedChange)) throw error;
        }
        if (round % 50 === 0) assert.deepEqual(picture(this.#victims), this.#untouched, `round ${round}`);
      }
      assert.deepEqual(picture(this.#victims), this.#untouched);
      assert.equal(attacker.exitCode, null, "the attacker was at work all the time");
    } finally {
      attacker.kill("SIGKILL");
      this.#renewArena();
    }
  }

  end(): void {
    fs.rmSync(this.#base, { recursive: true, force: true });
  }

  #renewArena(): void {
    fs.rmSync(this.#arena, { recursive: true, force: true });
    fs.mkdirSync(this.#arena);
    fs.chownSync(this.#arena, ATTACKER, ATTACKER);
  }

  /** The kernel may forbid hard links to files of others (fs.protected_hardlinks); those that are there can be renamed. */
  #supplyHardLinks(): void {
    for (const name of ["secret", "setuid"]) {
      try {
        fs.linkSync(path.join(this.#victims, name), path.join(this.#arena, `hard-${name}`));
      } catch {
        // It is still there.
      }
    }
  }
}

/** Root's own files are given away when root is told to give them away: over a shell, nothing to race for. */
export const isRace = (kind: Kind, name: string): boolean =>
  kind === "agent" || name !== "gives files to another owner";

/** Everything in `directory`: type, mode, owner, content. */
function picture(directory: string): Record<string, string> {
  const names = [".", ...fs.readdirSync(directory, { recursive: true, encoding: "utf8" })].sort();
  return Object.fromEntries(
    names.map((name) => {
      const file = path.join(directory, name);
      const { mode, uid, gid, ino } = fs.lstatSync(file); // not the number of links: those are supplied
      const content = fs.lstatSync(file).isFile()
        ? createHash("sha256").update(fs.readFileSync(file)).digest("hex").slice(0, 16)
        : "";
      return [name, `${mode.toString(8)} ${uid}:${gid} ${ino} ${content}`];
    }),
  );
}

/**
 * In `arena`, as another user: what is called `p` becomes a file, a link to a victim, a hard link to one, a directory with
 * such links in it, one after the other; temporary files of others are exchanged, too.
 */
function attack(node: string, arena: string, victims: string): ChildProcess {
  return spawn(node, ["-e", `(${exchange})(${JSON.stringify([arena, victims])})`], {
    uid: ATTACKER,
    gid: ATTACKER,
    env: {},
    cwd: "/",
    stdio: "ignore",
  });
}

function exchange([arena = "", victims = ""]: string[]): void {
  const fs = require("node:fs") as typeof import("node:fs");
  process.chdir(arena);
  const root = process.ppid;
  fs.writeFileSync("hard-ready", "");
  const targets = ["secret", "setuid", "directory", "directory/kept", ""].map((name) => `${victims}/${name}`);
  const any = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)] as T;
  const attempt = (act: () => void) => {
    try {
      act();
    } catch {}
  };
  const clean = (name: string) => attempt(() => fs.rmSync(name, { recursive: true, force: true }));
  const kinds: ((name: string) => void)[] = [
    (name) => fs.writeFileSync(name, "of the user\n"),
    (name) => fs.symlinkSync(any(targets), name),
    (name) => fs.symlinkSync(any(targets), name),
    (name) => fs.renameSync(any(["hard-secret", "hard-setuid"]), name),
    (name) => {
      fs.mkdirSync(name);
      fs.symlinkSync(any(targets), `${name}/a`);
      fs.writeFileSync(`${name}/file`, "");
    },
    (name) => {
      fs.mkdirSync(`${name}/a/b`, { recursive: true });
      fs.writeFileSync(`${name}/a/b/f`, "");
    },
  ];
  while (process.ppid === root) {
    attempt(() => any(kinds)("q"));
    try {
      fs.renameSync("q", "p");
    } catch {
      clean("p");
      attempt(() => fs.renameSync("q", "p"));
      clean("q");
    }
    for (const name of fs.readdirSync(".").filter((each) => !/^(p|q|hard-.*)$/.test(each))) {
      clean(name);
      attempt(() => fs.symlinkSync(any(targets), name));
    }
    if (Math.random() < 0.25) clean("p");
  }
}
