import { type SpawnOptions, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

export const command = path.resolve(__dirname, "../../repl/consfig.js");

/** The environment of the command when it is started by its first line. */
export const firstLineEnvironment: NodeJS.ProcessEnv = Object.fromEntries(
  [
    ...readFileSync(command, "utf8")
      .split("\n", 1)
      .join()
      .matchAll(/ (\w+)=(\S+)/g),
  ].map(([, name, value]) => [name, value]),
);

/** Creates a consfig and a home directory in a temporary directory. `files` are added to the consfig. */
export function consfigWith(
  t: Pick<TestContext, "after">,
  files: Record<string, string> = {},
): { root: string; env: NodeJS.ProcessEnv } {
  const directory = mkdtempSync(path.join(tmpdir(), "consfig-test-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const root = path.join(directory, "consfig");
  for (const [name, text] of Object.entries({ "hosts/here.ts": HOSTS, ...files })) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  const home = path.join(directory, "home");
  mkdirSync(home);
  const cache = process.env["XDG_CACHE_HOME"] ?? path.join(process.env["HOME"] ?? "", ".cache");
  return {
    root,
    env: {
      ...process.env,
      HOME: home,
      XDG_CACHE_HOME: cache,
      XDG_STATE_HOME: path.join(home, "state"),
      CI: "",
    },
  };
}

const HOSTS = `import { defhost, via } from "consfigurator";
import { cmd, file } from "consfigurator/properties";

export const here = defhost("here.example.org", { deploy: [via.local()] }, file.hasContent("greeting", ["hello"]));

export const broken = defhost("broken.example.org", { deploy: [via.local()] },
  cmd.single("echo before; exit 3"));

export const slow = defhost("slow.example.org", { deploy: [via.local()] },
  cmd.single("echo begun; n=0; until [ -e go-on ] || [ $((n += 1)) -gt 600 ]; do sleep 0.1; done", { inform: true }), cmd.single("touch not-reached"));
`;

/** Lets the running step of `slow` end. */
export const goOn = (env: NodeJS.ProcessEnv): void =>
  writeFileSync(path.join(env["HOME"] ?? "", "go-on"), "");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command until it exits, with `input` on its standard input. */
export function run(
  args: readonly string[],
  { input = "", ...options }: SpawnOptions & { input?: string },
): Promise<Ran> {
  const child = spawn(process.execPath, [command, ...args], { ...options, stdio: "pipe" });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}
