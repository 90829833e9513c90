/**
 * Follows a page of the documentation from top to bottom: writes its files, runs its commands and types its sessions, in a
 * temporary home directory. `web1.example.org` is a real machine.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { cacheHome, root } from "../../lib/util/package.js";
import type { Answer } from "./_session";
import type { Machine } from "./machines";
import { type Block, blocksOf, exchangesOf } from "./pages";

/** True when `page` has something to run. */
export const hasActs = (page: string): boolean => blocksOf(page).some(isAct);

const isAct = (block: Block): boolean =>
  (block.language === "sh" && block.mark === "") ||
  exchangesOf(block).length > 0 ||
  block.file?.endsWith(".repl") === true;

/** Follows `page`. `machine` is its web1.example.org, `consfig` the consfig in which its playbooks run. */
export async function walk(page: string, machine: Machine, consfig: string): Promise<void> {
  const walker = new Walker(machine, consfig);
  try {
    for (const block of blocksOf(page)) await walker.take(block);
    await walker.playRest();
  } finally {
    walker.end();
  }
}

class Walker {
  readonly #home = mkdtempSync(path.join(tmpdir(), "consfig-docs-"));
  readonly #env: NodeJS.ProcessEnv;
  readonly #unplayed = new Map<string, Block>();
  #directory = root;

  constructor(
    machine: Machine,
    private readonly consfig: string,
  ) {
    const bin = path.join(this.#home, "bin");
    mkdirSync(bin);
    symlinkSync(path.join(root, "repl/consfig.js"), path.join(bin, "consfig"));
    writeSshConfig(path.join(this.#home, "ssh_config"), machine);
    this.#env = {
      ...process.env,
      HOME: this.#home,
      XDG_CACHE_HOME: path.dirname(cacheHome),
      XDG_STATE_HOME: path.join(this.#home, "state"),
      PATH: `${bin}:${path.dirname(process.execPath)}:${process.env["PATH"]}`,
      CI: "",
      NO_COLOR: "1",
    };
  }

  async take(block: Block): Promise<void> {
    const exchanges = exchangesOf(block);
    if (block.file?.endsWith(".repl")) this.#unplayed.set(block.file, block);
    if (block.language === "ts" && block.file) this.#write(block, this.#consfig());
    else if (block.language === "sh" && block.mark === "") await this.#runCommands(block);
    else if (exchanges.length > 0) await this.#type(block);
  }

  /** The directory that the commands of the page changed to; otherwise a new consfig with the example hosts. */
  #consfig(): string {
    if (this.#directory !== root) return this.#directory;
    const consfig = path.join(this.#home, "example");
    for (const host of ["hosts/sandbox.ts", "hosts/web.ts"])
      cpSync(path.join(root, host), path.join(consfig, host), { recursive: true });
    return consfig;
  }

  /** Runs the playbooks that the page shows but does not run itself. */
  async playRest(): Promise<void> {
    for (const [file, block] of this.#unplayed) {
      const written = path.join(this.consfig, file);
      assert.ok(!existsSync(written), `${written} exists already`);
      this.#write(block, this.consfig);
      try {
        await this.#shell(block, `consfig play ${file} --consfig .`, this.consfig);
      } finally {
        rmSync(written);
      }
    }
  }

  end(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }

  #write({ file = "", text }: Block, directory: string): void {
    const target = path.join(directory, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, `${text}\n`);
  }

  async #runCommands(block: Block): Promise<void> {
    for (const file of this.#unplayed.keys()) if (block.text.includes(file)) this.#unplayed.delete(file);
    await this.#shell(block, block.text, this.#directory);
    const [directory, search] = readFileSync(path.join(this.#home, ".left"), "utf8").split("\n");
    if (directory) this.#directory = directory;
    if (search) this.#env["PATH"] = search;
  }

  /** Runs `script`, and records its final directory and PATH for the next block. */
  async #shell({ page, line }: Block, script: string, cwd: string): Promise<void> {
    const text = `set -e\n${script}\nprintf '%s\\n%s\\n' "$PWD" "$PATH" >~/.left\n`;
    const child = this.#spawn(["bash", "-c", text], cwd);
    child.stdin?.end();
    const { code, printed } = await ended(child);
    assert.equal(code, 0, `${page}:${line}: exit ${code}\n${script}\n${printed}`);
  }

  /** ssh ignores $HOME, so `command` runs with another /etc/ssh/ssh_config mounted. */
  #spawn(command: readonly string[], cwd: string): ChildProcess {
    const enter = 'mount --bind "$1" /etc/ssh/ssh_config && shift && exec "$@"';
    const args = ["--mount", "sh", "-c", enter, "sh", path.join(this.#home, "ssh_config"), ...command];
    return spawn("unshare", args, { cwd, env: this.#env, stdio: "pipe" });
  }

  /** Types the inputs of a transcript and compares the stable output. Inputs without output must succeed. */
  async #type(block: Block): Promise<void> {
    const consfig = block.text.startsWith("$ npm start") ? root : this.#consfig();
    const exchanges = exchangesOf(block);
    const register = path.join(root, "lib/source/register.js");
    const script = ["--require", register, path.join(__dirname, "_session.ts"), consfig];
    const child = this.#spawn([process.execPath, ...script], consfig);
    child.stdin?.end(JSON.stringify(exchanges.map(({ input }) => input)));
    const { code, printed } = await ended(child);
    assert.equal(code, 0, `${block.page}:${block.line}: the session exited with code ${code}\n${printed}`);
    const answers = JSON.parse(printed) as Answer[];
    for (const [index, { line, input, printed: shown }] of exchanges.entries()) {
      const { ok, printed: actual = "" } = answers[index] ?? {};
      const location = `${block.page}:${line}: ${input}`;
      if (shown.join("").trim() === "") assert.ok(ok, `${location} fails:\n${actual}`);
      else assert.deepEqual(stable(actual), stable(shown.join("\n")), `${location} prints something else`);
    }
  }
}

/** Removes the parts that vary: durations, shown or not, memory, and the Debian release. */
const stable = (printed: string): string[] =>
  printed
    .trimEnd()
    // Only test machines have it.
    .replace(/\n *not tried:\n *test-machine-network\.service: .*/, "")
    .split("\n")
    .map((line) =>
      line.replace(/ (?:\(\w+ )?in [\d.]+ (ms|s|min)\b.*$/, "").replace(/ [\d.]+ (ms|s|min)$/, ""),
    )
    .map((line) => line.replace(/ after [\d.]+ m?s, and its files took [\d.]+ MB/, ""))
    .map((line) => line.replace(/(runs Debian) \w+ \(\w+\)$/, "$1"));

function writeSshConfig(file: string, machine: Machine): void {
  const host = `Host web1.example.org
  HostName ${machine.address}
  HostKeyAlias ${machine.address}
  UserKnownHostsFile ${machine.knownHosts}
  IdentityFile ${machine.identity}
  IdentitiesOnly yes
`;
  writeFileSync(file, host);
}

async function ended(child: ChildProcess): Promise<{ code: number | null; printed: string }> {
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, printed };
}
