/** Time from the command to the prompt at a terminal, with a large consfig and warm caches. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pause, repeated } from "./_bench";
import { figure, median } from "./_figures";
import type { Measure } from "./_process";

const hostCount = 100;
const command = path.join(__dirname, "../../repl/consfig.js");

export const measure: Measure = async ({ long }) => {
  const root = largeConsfig();
  try {
    await timePrompt(root); // fills the caches
    const runs = await repeated(long ? 20 : 7, async () => {
      await pause(200);
      const limit = await timeNode();
      await pause(200);
      return { limit, ...(await timePrompt(root)) };
    });
    const limit = { name: "L3", value: median(runs.map((run) => run.limit)) };
    const label = `prompt, ${hostCount} hosts`;
    const times = runs.map(({ ms }) => ms);
    const memory = { budget: { value: 200_000_000 } };
    return [
      figure(`${label}: ready`, "ms", times, { limit, budget: { value: 600, times: 15 } }),
      figure(
        `${label}: peak memory`,
        "bytes",
        runs.map(({ peak }) => peak),
        memory,
      ),
      figure(
        `${label}: memory after 3 s`,
        "bytes",
        runs.map(({ rest }) => rest),
        memory,
      ),
    ];
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
};

/** A consfig with one file per host. */
function largeConsfig(): string {
  const root = mkdtempSync(path.join(tmpdir(), "consfig-bench-"));
  mkdirSync(path.join(root, "hosts"));
  for (let n = 1; n <= hostCount; n++) writeFileSync(path.join(root, "hosts", `web${n}.ts`), hostFile(n));
  return root;
}

const hostFile = (n: number): string => `import { defhost, via } from "consfigurator";
import { apt, file, os, timezone, user } from "consfigurator/properties";

export const web${n} = defhost(
  "web${n}.example.org",
  { deploy: [via.ssh({ user: "root" }), via.agent()] },
  os.debianStable("bookworm", "amd64"),
  timezone.configured("Etc/UTC"),
  apt.installed("nginx", "rsync"),
  user.hasAccount("ada"),
  file.hasContent("/srv/www/index.html", "<h1>web${n}</h1>"),
  file.containsLines("/etc/hosts", "192.0.2.${n} web${n}.example.org"),
);
`;

/** L3: milliseconds to start and exit a Node that does nothing. */
function timeNode(): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  return new Promise((settled, failed) => {
    child.on("error", failed);
    child.on("exit", () => settled(performance.now() - started));
  });
}

/** Starts the prompt in its own terminal. Memory is resident bytes: the peak within 3 s, and the value after 3 s. */
async function timePrompt(root: string): Promise<{ ms: number; peak: number; rest: number }> {
  const words = ["exec", process.execPath, command, "--consfig", root];
  const started = performance.now();
  const terminal = spawn("script", ["-qec", words.join(" "), "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm", FORCE_COLOR: "0" },
  });
  let shown = "";
  await new Promise<void>((settled, failed) => {
    terminal.on("error", failed);
    terminal.on("exit", () => failed(new Error(`no prompt appeared: ${shown}`)));
    terminal.stdout.on("data", (data: Buffer) => {
      shown += data.toString();
      if (/consfig.*> /.test(shown)) settled();
    });
  });
  const ms = performance.now() - started;
  await pause(3000);
  const memory = memoryBelow(terminal.pid ?? 0);
  const exited = new Promise((settled) => terminal.once("exit", settled));
  terminal.stdin.write("\u0004");
  await exited;
  return { ms, ...memory };
}

/** Memory of the process that `script` started. */
function memoryBelow(pid: number): { peak: number; rest: number } {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" "),
  );
  const status = readFileSync(`/proc/${children[0]}/status`, "utf8");
  const kilobytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1]) * 1024;
  return { peak: kilobytes("VmHWM"), rest: kilobytes("VmRSS") };
}
