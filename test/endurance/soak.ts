/** Many deployments from one prompt, with sources that change each time: memory, descriptors and caches stay as they are. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { firstLineEnvironment } from "../repl/_consfig";
import { prompt } from "../repl/_terminal";
import { bootMachine, writeKnownHosts } from "../support/machines";
import { type Figures, figuresIn, type Sample, table } from "./_figures";
import type { Program, ProgramOptions } from "./_runner";

/** Where the agent of the deployments is. */
export interface SoakHost {
  /** The hops as source text. */
  readonly hops: string;
  /** The directory of the agent there. */
  readonly agent: string;
  /** Runs shell text there. */
  exec(script: string): Promise<string>;
}

export const program: Program = {
  count: 1000,
  run: async (options) => {
    await using machine = await bootMachine({ name: "soak" });
    const directory = mkdtempSync(path.join(tmpdir(), "soak-"));
    try {
      const known = path.join(directory, "known_hosts");
      const config = path.join(directory, "ssh_config");
      writeKnownHosts(known, machine, [machine.address]);
      writeFileSync(config, `Host *\n  UserKnownHostsFile ${known}\n  GlobalKnownHostsFile none\n`);
      const hop = { user: "root", hop: machine.address, identity: machine.identity, config };
      return await soak(
        {
          hops: `via.ssh(${JSON.stringify(hop)}), via.agent()`,
          agent: "/root/.cache/consfigurator/agent",
          exec: (script) => machine.run(script),
        },
        directory,
        options,
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** Deploys `count` times from one prompt, and returns what grew. The prompt keeps its caches in `directory`. */
export async function soak(
  host: SoakHost,
  directory: string,
  { count, print }: ProgramOptions,
): Promise<readonly string[]> {
  const cleanups: (() => void)[] = [];
  const cleanUp = () => {
    for (const clean of cleanups.splice(0).reverse()) clean();
  };
  // Also of a run that is interrupted.
  process.once("exit", cleanUp);
  const cache = path.join(directory, "cache");
  mkdirSync(cache, { recursive: true });
  const open = () =>
    prompt({ after: (clean) => void cleanups.push(clean as () => void) }, files(host, 0), {
      environment: { ...firstLineEnvironment, XDG_CACHE_HOME: cache },
    });
  try {
    // Compiles the library, installs the agent.
    const first = await open();
    await deployed(first, 0);
    await left(first);
    const on = await open();
    const samples: Sample[] = [];
    const every = Math.max(1, Math.floor(count / 100));
    for (let n = 1; n <= count; n += 1) {
      for (const [name, text] of Object.entries(files(host, n)))
        writeFileSync(path.join(on.root, name), text);
      await deployed(on, n);
      if (n % every !== 0) continue;
      const heap = await on.type("process.memoryUsage().heapUsed", /\n\d+\n[\s\S]*consfig> $/);
      samples.push({
        n,
        ...controllerFigures(on.child.pid ?? 0, cache),
        heap: Number(/\n(\d+)\n/.exec(heap)?.[1]),
        ...(await hostFigures(host)),
      });
      if (samples.length % 10 === 0) print(table(samples.slice(-10)));
    }
    await left(on);
    const { lines, problems } = figuresIn(samples);
    print(lines.join("\n"));
    return problems;
  } finally {
    process.off("exit", cleanUp);
    cleanUp();
  }
}

type OpenPrompt = Awaited<ReturnType<typeof prompt>>;

async function deployed(on: OpenPrompt, n: number): Promise<void> {
  on.keys("deploy(web1)\r");
  const screen = await on.until(/consfig> $/, 120);
  if (!/web1.*changed/.test(screen)) throw new Error(`deployment ${n}:\n${screen}`);
}

async function left(on: OpenPrompt): Promise<void> {
  on.keys(".exit\r");
  await on.closed;
}

/** The consfig at the n-th deployment: a property, a module that it imports, and the host have changed. */
export const files = ({ hops }: SoakHost, n: number): Record<string, string> => ({
  "hosts/web1.ts": `import { defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";
import { soaked } from "../properties/soaked";

export const web1 = defhost("web1.example.org", { deploy: [${hops}] },
  file.hasContent("/tmp/soak/content", ["${n}"]), soaked("${n}"));
`,
  "properties/soaked.ts": `import { defprop, schema } from "consfigurator";

/** Holds at the ${n}. time. */
export const soaked = defprop({
  name: "soaked.soaked",
  kind: "posix",
  args: schema.object({ text: schema.string() }),
  call: (text: string) => ({ text }),
  apply: async ({ text }, target) => {
    await target.run("echo ${n} " + text, { inform: true });
    return "changed";
  },
});
${Array.from({ length: 100 }, (_, each) => `export const value${each} = "${n} ${each} ${"x".repeat(100)}";`).join("\n")}
`,
});

/** What the process of the prompt, the only child of `script`, and those below it use. */
function controllerFigures(script: number, cache: string): Pick<Figures, "rss" | "below" | "open" | "cache"> {
  const [pid = 0] = childrenOf(script);
  const below = (parent: number): number[] => childrenOf(parent).flatMap((each) => [each, ...below(each)]);
  return {
    rss: rssOf(pid),
    below: below(pid).reduce((sum, each) => sum + rssOf(each), 0),
    open: readdirSync(`/proc/${pid}/fd`).length,
    cache: Number(execFileSync("du", ["-s", "-B1", cache], { encoding: "utf8" }).split("\t")[0]),
  };
}

async function hostFigures({
  agent,
  exec,
}: SoakHost): Promise<Pick<Figures, "supervisor" | "supervisorOpen" | "relays" | "hostCache">> {
  const text = await exec(`
for file in $(grep -lsaF ${agent}/ /proc/[0-9]*/cmdline); do
  dir=\${file%/cmdline}
  words=$({ tr '\\0' ' ' <"$file"; } 2>/dev/null)
  case $words in
    *${agent}/*" supervisor "*) echo "supervisor $(sed -n 's/^VmRSS:[^0-9]*//p' "$dir/status") $(ls "$dir/fd" | wc -l)" ;;
    *${agent}/*" relay "*) echo "relay" ;;
  esac
done
echo "cache $(du -sk ${agent})"`);
  // A shell that is about to become one has little in memory.
  const [rss = 0, open = 0] = [...text.matchAll(/^supervisor (\d+) kB (\d+)$/gm)]
    .map(([, ...found]) => found.map(Number))
    .reduce((largest, each) => ((each[0] ?? 0) > (largest[0] ?? 0) ? each : largest), []);
  return {
    supervisor: rss * 1024,
    supervisorOpen: open,
    relays: text.match(/^relay$/gm)?.length ?? 0,
    hostCache: Number(/^cache (\d+)/m.exec(text)?.[1]) * 1024,
  };
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function rssOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
