/** Secrets that are marked, and the search for them wherever they must not be. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Characters: as many as all canaries have in common, in each form. */
const BEGINNING = 6;

export class Canaries {
  /** A file with what is searched for, so that no search has it in its arguments. */
  readonly #patterns = path.join(mkdtempSync(path.join(tmpdir(), "canaries-")), "patterns");
  /** What to search for, and the name of its canary. */
  readonly #known = new Map<string, string>();
  /** How the forms of all begin, which is mostly the same. */
  #beginnings = /(?!)/;

  /** A new secret. `name` says in failures which one was found. */
  issue(name: string): string {
    const secret = `canary-${randomBytes(15).toString("hex")}`;
    this.add(name, secret);
    return secret;
  }

  /** Searches for `secret` too, as it is and as programs write bytes. */
  add(name: string, secret: string): void {
    for (const form of formsOf(Buffer.from(secret))) this.#known.set(form, name);
    const beginnings = new Set([...this.#known.keys()].map((form) => form.slice(0, BEGINNING)));
    this.#beginnings = new RegExp([...beginnings].map((each) => each.replace(/\W/g, "\\$&")).join("|"));
    writeFileSync(this.#patterns, [...this.#known.keys()].map((form) => `${form}\n`).join(""));
  }

  /** The names of the canaries in `text`. */
  in(text: string): string[] {
    if (!this.#beginnings.test(text)) return [];
    return [...new Set([...this.#known].filter(([form]) => text.includes(form)).map(([, name]) => name))];
  }

  /** Which canaries are in files below `directories`: "NAME in FILE". Files that go away meanwhile do not count. */
  inFiles(directories: readonly string[]): string[] {
    return this.#found(output("find", [...directories, "-type", "f", ...this.#searching()]));
  }

  /** Which canaries are in files that are newer than the file `since`, below `directories`. */
  inFilesSince(since: string, directories: readonly string[]): string[] {
    return this.#found(
      output("find", [...directories, "-xdev", "-type", "f", "-newercm", since, ...this.#searching()]),
    );
  }

  /** The canaries in the memory of a process. */
  inMemory(pid: number): string[] {
    const found = new Set<string>();
    for (const part of inParts(memoryOf(pid))) {
      const forms = output("grep", ["-a", "-o", "-F", "-f", this.#patterns], part).split("\n");
      for (const name of forms.flatMap((form) => this.#known.get(form) ?? [])) found.add(name);
    }
    return [...found];
  }

  /** Arguments of find(1). */
  #searching(): string[] {
    const search = ["grep", "-a", "-o", "-F", "-s", "-H", "-f", this.#patterns, "--", "{}", "+"];
    return ["-not", "-path", `${path.dirname(this.#patterns)}/*`, "-exec", ...search];
  }

  #found(printed: string): string[] {
    const lines = printed.split("\n").filter(Boolean);
    const all = lines.map((line) => {
      const form = [...this.#known.keys()].find((each) => line.endsWith(`:${each}`)) ?? "";
      return `${this.#known.get(form)} in ${line.slice(0, line.length - form.length - 1)}`;
    });
    return [...new Set(all)].sort();
  }

  /** Looks at the arguments and the environment of every process, here and on test machines, until it is stopped. */
  watch(): { seen(): string[]; looks(): number; stop(): void } {
    const seen = new Set<string>();
    const lookedAt = new Map<string, number>();
    let looks = 0;
    const timer = setInterval(() => {
      looks += 1;
      for (const pid of readdirSync("/proc")) {
        if (!/^\d+$/.test(pid)) continue;
        // A process gets other ones when it executes a program, which is mostly soon after its start.
        const times = lookedAt.get(pid) ?? 0;
        lookedAt.set(pid, times + 1);
        if (times > 20 && times % 20 > 0) continue;
        for (const name of ["cmdline", "environ"]) {
          const text = contentOf(`/proc/${pid}/${name}`);
          for (const canary of this.in(text)) seen.add(`${canary} in ${name} of ${commandIn(pid)}`);
        }
      }
    }, 40);
    return { seen: () => [...seen], looks: () => looks, stop: () => clearInterval(timer) };
  }

  dispose(): void {
    rmSync(path.dirname(this.#patterns), { recursive: true, force: true });
  }
}

/** `secret`, and how it looks in hexadecimal and, wherever it begins, in base 64. */
function formsOf(secret: Buffer): string[] {
  const shifted = [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), secret]);
    // The first and the last letters depend on what is around it.
    return whole.toString("base64").slice(Math.ceil((shift * 8) / 6), Math.floor((whole.length * 8) / 6));
  });
  return [secret.toString("latin1"), secret.toString("hex"), ...shifted];
}

const commandIn = (pid: string): string => contentOf(`/proc/${pid}/comm`).trim();

/** The output of a program that finds something, or nothing; of files that are gone meanwhile it finds nothing. */
function output(program: string, args: readonly string[], input?: Buffer): string {
  const { status, stdout, error } = spawnSync(program, args, {
    encoding: "latin1",
    maxBuffer: 2 ** 26,
    ...(input ? { input } : { stdio: ["ignore", "pipe", "ignore"] }),
  });
  assert.ok(status !== null && status <= 2, String(error ?? status));
  return stdout;
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

/** Bytes searched by one process. */
const PART = 2 ** 26;

/** The same bytes in fewer pieces. */
function* inParts(chunks: Iterable<Buffer>): Generator<Buffer> {
  let part: Buffer[] = [];
  let size = 0;
  for (const chunk of chunks) {
    part.push(chunk);
    size += chunk.length;
    if (size < PART) continue;
    yield Buffer.concat(part);
    [part, size] = [[], 0];
  }
  yield Buffer.concat(part);
}

/** What a process can write to. */
function* memoryOf(pid: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (!start) continue;
      const chunk = Buffer.allocUnsafe(
        Math.min(Number.parseInt(end, 16) - Number.parseInt(start, 16), 2 ** 28),
      );
      try {
        yield chunk.subarray(0, readSync(memory, chunk, 0, chunk.length, Number.parseInt(start, 16)));
      } catch {
        // A part that nobody can read, such as that of the kernel.
      }
    }
  } finally {
    closeSync(memory);
  }
}
