/** A service built from source: the cost of its executable, and the time until a changed line is live. */
import { execFile } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { promisify } from "node:util";
import { deployThese } from "../../lib/controller/deploy";
import { imageDumped } from "../../lib/executable/imageDumped";
import type { PropApp } from "../../lib/model/property";
import { root } from "../../lib/util/package";
import * as daemon from "../../properties/daemon";
import { debianStable } from "../../properties/os";
import { bootMachine, type Machine } from "../support/machines";
import { Load } from "../support/visitors";
import { linkTo, openWorkspace, pause, repeated } from "./_bench";
import { type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

const at = "/usr/local/bin/cool-web-service";
/** Minimum size of an image of a whole Lisp, in bytes. */
const wholeImage = 40_000_000;
const redeployments = 10;

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  const file = path.join(workspace.root, "services/cool.ts");
  cpSync(path.join(root, "services/cool.ts"), file, { recursive: true });
  await using machine = await bootMachine({ name: "bench" });
  await using link = await linkTo(machine, 0);
  const url = `http://${machine.address}:1234/`;
  const applications = [
    debianStable("bookworm", "amd64"),
    imageDumped(at, { module: "/services/cool", call: "startServer", args: [1234] }),
    daemon.running("cool-web-service", {
      steady: 0,
      listen: ["0.0.0.0:1234"],
      healthy: "http://127.0.0.1:1234/healthz",
    }),
  ];
  const apply = () => applied(machine, applications, link.hops);
  await apply();
  await pause();
  const unchanged = await repeated(long ? 20 : 5, async () => {
    await pause(300);
    return apply();
  });

  const load = new Load(url, { fresh: 5, kept: 10, pipelining: 3 });
  const runs = await repeated(redeployments, async (n) => {
    await pause();
    link.proxy.reset();
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(/<h1>.*<\/h1>/, `<h1>Edition ${n}</h1>`));
    const ms = await apply();
    if (!(await get(url)).includes(`Edition ${n}`)) throw new Error("the new edition is not live");
    return { ms, ...link.proxy.bytes };
  });
  const { done, lost } = await load.end();
  return [
    figure("service, nothing changed → deploy, 0 ms", "ms", unchanged),
    figure(
      "service, one line changed → live and healthy, 0 ms",
      "ms",
      runs.map(({ ms }) => ms),
      {
        budget: { value: 1000 },
      },
    ),
    figure(
      "service, one line changed: sent",
      "bytes",
      runs.map(({ up }) => up),
      { budget: { value: 5000 } },
    ),
    figure(`service, ${redeployments} redeployments: requests served`, "", [done]),
    figure(`service, ${redeployments} redeployments: requests lost`, "", [lost.length], {
      budget: { value: 0 },
    }),
    ...(await costs(machine, long)),
  ];
};

async function applied(
  machine: Machine,
  applications: readonly PropApp[],
  hops: Awaited<ReturnType<typeof linkTo>>["hops"],
): Promise<number> {
  const started = performance.now();
  const report = await deployThese(`${machine.name}.example.org`, hops, ...applications);
  const ms = performance.now() - started;
  if (report.ok) return ms;
  throw new Error(report.failure?.message ?? report.failed.map(({ failure }) => failure?.message).join("; "));
}

/** Compares the executable with a script run by plain Node. */
async function costs(machine: Machine, long: boolean): Promise<Figure[]> {
  const file = path.join(machine.root, at);
  const [first = ""] = readFileSync(file, "latin1").split("\n", 1);
  const node = path.join(machine.root, first.slice(2).split(" ")[0] ?? "");
  const copy = path.join(machine.root, "tmp/started");
  // Exits as soon as it is serving.
  const ending = "#!NODE --disable-warning=ExperimentalWarning\n";
  writeFileSync(
    copy,
    readFileSync(file, "latin1")
      .replace(/^#!.*\n/, ending.replace("NODE", node))
      .replace("(__filename, require).start();", "(__filename, require).start();process.exit(0);"),
    { mode: 0o755 },
  );
  const script = path.join(machine.root, "tmp/script.js");
  writeFileSync(script, "require('node:http').createServer(() => {}).listen(0); process.exit(0);\n");
  const count = long ? 40 : 12;
  const bare = await repeated(count, () => startOf(node, script));
  const own = await repeated(count, () => startOf(copy));
  const limit = { name: "node script.js", value: median(bare) };
  const size = { name: "whole image", value: wholeImage };
  return [
    figure("node script.js: start", "ms", bare),
    figure("executable: start", "ms", own, { limit, budget: { times: 1.5 } }),
    figure("executable: size", "bytes", [readFileSync(file).length], { limit: size, budget: { times: 0.1 } }),
    figure("runtime, once for all executables of a host: size", "bytes", [readFileSync(node).length]),
  ];
}

async function startOf(file: string, ...args: string[]): Promise<number> {
  const started = performance.now();
  await promisify(execFile)(file, args, { env: {} });
  return performance.now() - started;
}

function get(url: string): Promise<string> {
  return new Promise((settled, failed) => {
    const request = http.get(url, { agent: false, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", failed);
      response.on("end", () =>
        response.statusCode === 200 ? settled(text) : failed(new Error(`status ${response.statusCode}`)),
      );
    });
    request.on("error", failed);
    request.on("timeout", () => request.destroy(new Error("no answer")));
  });
}
