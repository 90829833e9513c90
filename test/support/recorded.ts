/**
 * Recorded programs: a system that cannot be started here (FreeBSD) answers through programs that print what its manual pages
 * say. Each recording names the page and the version that it follows.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

/** What a program does when it is called with some arguments. */
export interface Recorded {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exit?: number;
  /** The state of the system afterwards. Default: the same. */
  readonly then?: string;
}

/** The calls of programs, as `program arguments`, in each state that the system can be in. The first state is where it begins. */
export interface Recording {
  /** The manual page and its version, such as "pkg(8), pkg 1.21 of FreeBSD 14.1". */
  readonly manual: string;
  readonly states: Readonly<Record<string, Readonly<Record<string, Recorded>>>>;
}

/** The programs of a recording, first on the PATH of this process until the test ends. */
export interface Recorder {
  /** The calls so far. One that is not recorded has failed with what it was. */
  calls(): string[];
  /** Puts the system into `state`. */
  set(state: string): void;
}

export function record(t: TestContext, { manual, states }: Recording): Recorder {
  const directory = mkdtempSync(path.join(tmpdir(), "recorded-"));
  const [first = ""] = Object.keys(states);
  const programs = new Set<string>();
  for (const [state, calls] of Object.entries(states)) {
    mkdirSync(path.join(directory, "states", state), { recursive: true });
    for (const [call, { stdout = "", stderr = "", exit = 0, then = state }] of Object.entries(calls)) {
      programs.add(call.split(" ")[0] ?? "");
      const file = path.join(directory, "states", state, Buffer.from(call).toString("hex"));
      writeFileSync(`${file}.out`, stdout);
      writeFileSync(`${file}.err`, stderr);
      writeFileSync(file, `${exit} ${then}\n`);
    }
  }
  mkdirSync(path.join(directory, "bin"));
  for (const program of programs) {
    const file = path.join(directory, "bin", program);
    writeFileSync(file, player(directory, program, manual));
    chmodSync(file, 0o755);
  }
  const set = (state: string): void => writeFileSync(path.join(directory, "state"), `${state}\n`);
  const log = path.join(directory, "calls");
  writeFileSync(log, "");
  set(first);
  const bin = path.join(directory, "bin");
  process.env["PATH"] = `${bin}:${process.env["PATH"]}`;
  t.after(() => {
    const others = process.env["PATH"]?.split(":").filter((each) => each !== bin);
    process.env["PATH"] = others?.join(":");
    rmSync(directory, { recursive: true, force: true });
  });
  return { set, calls: () => readFileSync(log, "utf8").split("\n").filter(Boolean) };
}

const player = (directory: string, program: string, manual: string): string => `#!/bin/sh
cd ${directory} || exit 99
call="${program}\${*:+ $*}"
printf '%s\\n' "$call" >>calls
read -r state <state
file=states/$state/$(printf %s "$call" | od -An -v -tx1 | tr -d ' \\n')
if ! [ -f "$file" ]; then
  echo "no recording of \\"$call\\" in the state $state, as in ${manual}" >&2
  exit 99
fi
read -r exit then <"$file"
cat "$file.out"
cat "$file.err" >&2
printf '%s\\n' "$then" >state
exit "$exit"
`;
