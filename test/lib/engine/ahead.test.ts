/** What steps ask ahead of their turn, over a bare shell on this machine: how few commands it takes, and that no answer outlives an act. */
import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { targetOf } from "consfigurator/testing";
import { onChange, seqprops } from "../../../lib/combinators";
import { local } from "../../../lib/connection/local";
import { rehome } from "../../../lib/connection/rehome";
import { deployThese, plan } from "../../../lib/controller/deploy";
import type { Deployment } from "../../../lib/controller/deployment";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import { defprop, type PropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { list, object, string } from "../../../lib/model/schema";
import type { PosixTarget } from "../../../lib/model/target";
import { reconnects } from "../../../lib/nested/deploys";
import { cmd, file } from "../../../properties";
import { ALL } from "../../support/breadth";
import { limit } from "../../support/load";
import * as toy from "../../support/toy";
import { until } from "../../support/until";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "ahead-"));
  toy.takeDone();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
after(() => session.close());

/** Milliseconds for a test that writes a hundred files over a shell, or looks at many: each takes some twenty processes. */
const LONG = limit(300);

type Acts = Record<string, (target: PosixTarget, ...paths: string[]) => Promise<unknown>>;

/** Each kind of act, on paths. */
const acts: Acts = {
  writeFile: (target, one = "") => target.writeFile(one, "new"),
  ensureContent: (target, one = "") => target.ensureContent(one, "new"),
  editLines: (target, one = "") => target.editLines(one, (lines) => [...lines, "more"]),
  makeDirectory: (target, one = "") => target.makeDirectory(one),
  remove: (target, one = "") => target.remove(one, { recursive: true }),
  emptyDirectory: (target, one = "") => target.emptyDirectory(one),
  removeEmptyDirectory: (target, one = "") => target.removeEmptyDirectory(one),
  copyFile: (target, one = "", other = "") => target.copyFile(one, other),
  symlink: (target, one = "", other = "") => target.symlink(one, other),
  setMode: (target, one = "") => target.setMode(one, 0o600),
  setOwner: (target, one = "") => target.setOwner(one, { user: "1", group: "1" }),
  reassignOwner: (target, one = "") =>
    target.reassignOwner(
      one,
      { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      { uid: 1, gid: 1 },
    ),
  rename: (target, one = "", other = "") => target.rename(one, other),
  run: (target, one = "", other = "") => target.run(["cp", "-a", one, other]),
  withTemporaryFile: (target, one = "", other = "") =>
    target.withTemporaryFile((temporary) => target.run(["cp", temporary, other]), { content: one }),
};

const does = defprop({
  name: "test.ahead.does",
  kind: "posix",
  args: object({ act: string(), paths: list(string()) }),
  call: (act: string, ...paths: string[]) => ({ act, paths }),
  apply: async ({ act, paths }, target) => {
    await acts[act]?.(target, ...paths);
    return "changed";
  },
});

/** All that is to be seen at `paths`, as text. */
async function seenAt(paths: readonly string[], target: PosixTarget): Promise<string> {
  const seen = await Promise.all(
    paths.map(async (each) => {
      const stat = await target.stat(each);
      const at = stat && { type: stat.type, mode: stat.mode.toString(8), owner: `${stat.uid}:${stat.gid}` };
      return [
        each.replace(dir, ""),
        at,
        (await target.lstat(each))?.type,
        (await target.realPath(each))?.replace(dir, ""),
        await target.readLink(each),
        stat?.type === "file" && (await target.readFile(each)),
        stat?.type === "directory" && (await target.list(each)),
        await target.sameContent(each, `${dir}/file`),
        await target.succeeds(["test", "-s", each]),
      ];
    }),
  );
  return `${JSON.stringify(seen, null, 1)}\n`;
}

/** Writes to `into` all that is to be seen at `paths`. */
const sees = defprop({
  name: "test.ahead.sees",
  kind: "posix",
  args: object({ into: string(), paths: list(string()) }),
  call: (into: string, ...paths: string[]) => ({ into, paths }),
  apply: async ({ into, paths }, target) => target.ensureContent(into, await seenAt(paths, target)),
});

/** The number of commands of a deployment, and its report. */
async function commandsOf(deployment: () => Deployment<Report>): Promise<[string[], Report]> {
  session.verbose = true;
  const begun = deployment();
  session.verbose = false;
  const commands: string[] = [];
  begun.subscribe((event) => {
    if (event.kind === "command-ran") commands.push(event.command);
  });
  return [commands, await begun];
}

const deploy = (...applications: PropApp[]) => deployThese("a.example.org", local(), ...applications);
const planned = (...applications: PropApp[]) => plan(defhost("a.example.org", ...applications), local());

const hundred = () =>
  Array.from({ length: 100 }, (_, n) => file.hasContent(`${dir}/${n % 10}/${n}`, [`number ${n}`]));

/** The hundred hold. */
function settleHundred(): void {
  for (let n = 0; n < 100; n++) {
    mkdirSync(`${dir}/${n % 10}`, { recursive: true });
    writeFileSync(`${dir}/${n % 10}/${n}`, `number ${n}\n`);
  }
}

describe("a hundred properties over a bare shell", () => {
  test("that hold are one command, in a deployment and in a plan", async () => {
    settleHundred();
    const [commands, report] = await commandsOf(() => deploy(...hundred()));
    assert.equal(report.status, "unchanged");
    assert.equal(commands.length, 1);
    const [inPlan, { status }] = await commandsOf(() => planned(...hundred()));
    assert.equal(status, "unchanged");
    assert.equal(inPlan.length, 1);
  });

  test("that note what they create are one command, too", async () => {
    const applications = [
      file.containsLines(`${dir}/lines`, "one", "two"),
      file.containsConfEquals(`${dir}/settings`, "a", "1"),
      file.existsWithContent(`${dir}/content`, "text"),
    ];
    await deploy(...applications);
    for (const begin of [deploy, planned]) {
      const [commands, report] = await commandsOf(() => begin(...applications));
      assert.equal(report.status, "unchanged");
      assert.equal(commands.length, 1, commands.join("\n"));
    }
  });

  test("of which one changes are that command, and the change", async () => {
    settleHundred();
    writeFileSync(`${dir}/3/43`, "something else");
    const [commands, report] = await commandsOf(() => deploy(...hundred()));
    assert.equal(report.changed.length, 1);
    assert.equal(commands[1], `write ${dir}/3/43`);
    assert.equal(commands.length, 2, commands.join("\n"));
  });

  test("of which one runs a command are asked once more after it", async () => {
    const all = hundred();
    settleHundred();
    const [commands] = await commandsOf(() =>
      deploy(...all.slice(0, 50), cmd.single("true"), ...all.slice(50)),
    );
    assert.equal(commands[1], "true");
    assert.equal(commands.length, 3, commands.join("\n"));
  });

  test("that all change are little more than their changes", { timeout: LONG }, async () => {
    const [commands, report] = await commandsOf(() => deploy(...hundred().slice(0, 40)));
    assert.equal(report.changed.length, 40);
    const asked = commands.filter((command) => !/^write \S+$/.test(command));
    assert.ok(asked.length < 16, asked.join("\n"));
  });

  test("that all run something ask no more than twice as much as without", { timeout: LONG }, async () => {
    const all = Array.from({ length: 20 }, (_, n) => does("run", `${dir}/from`, `${dir}/to${n}`));
    const looking = hundred().slice(0, 20);
    settleHundred();
    writeFileSync(`${dir}/from`, "");
    const [commands] = await commandsOf(() =>
      deploy(...all.flatMap((each, n) => [each, looking[n] ?? each])),
    );
    const asked = commands
      .join(", ")
      .split(", ")
      .filter((each) => each.startsWith("read "));
    assert.ok(asked.length < 10 * 20, String(asked.length));
  });
});

describe("no answer outlives an act:", () => {
  const rows: [act: string, ...paths: string[]][] = [
    ["writeFile", "file"],
    ["writeFile", "new"],
    ["writeFile", "through/inside"],
    ["ensureContent", "file"],
    ["ensureContent", "made/on/the/way"],
    ["editLines", "through/inside"],
    ["editLines", "link"],
    ["makeDirectory", "made/on/the/way"],
    ["remove", "file"],
    ["remove", "directory"],
    ["remove", "link"],
    ["remove", "through"],
    ["emptyDirectory", "directory"],
    ["emptyDirectory", "through"],
    ["removeEmptyDirectory", "empty"],
    ["copyFile", "directory/inside", "file"],
    ["copyFile", "file", "new"],
    ["symlink", "made", "directory"],
    ["symlink", "through", "empty"],
    ["setMode", "file"],
    ["setMode", "hard"],
    ["setMode", "link"],
    ["setMode", "directory"],
    ["setOwner", "file"],
    ["setOwner", "hard"],
    ["setOwner", "through/inside"],
    ["reassignOwner", "directory"],
    ["rename", "file", "new"],
    ["rename", "directory", "made"],
    ["rename", "empty", "made"],
    ["run", "file", "new"],
    ["run", "file", "directory/inside"],
    ["withTemporaryFile", "content", "file"],
  ];
  /** Places that are the same file, or one inside the other. */
  const related = [
    ["file", "hard", "link"],
    ["directory", "directory/inside", "through", "through/inside"],
    ["empty"],
    ["new"],
    ["made", "made/on", "made/inside", "made/on/the/way"],
  ];
  /** Where the act may show, and the directory of all. */
  const placesOf = (paths: readonly string[]) => [
    ...related.filter((places) => ALL || places.some((each) => paths.includes(each))).flat(),
    "",
  ];
  const fill = () => {
    writeFileSync(`${dir}/file`, "old\n");
    linkSync(`${dir}/file`, `${dir}/hard`);
    symlinkSync(`${dir}/file`, `${dir}/link`);
    mkdirSync(`${dir}/directory`);
    writeFileSync(`${dir}/directory/inside`, "inside\n");
    symlinkSync("directory", `${dir}/through`);
    mkdirSync(`${dir}/empty`);
  };

  for (const [act, ...paths] of rows)
    test(`${act} ${paths.join(" ")}`, { skip: needsRoot(act), timeout: LONG }, async () => {
      const into = mkdtempSync(path.join(tmpdir(), "ahead-seen-"));
      try {
        fill();
        const all = placesOf(paths).map((each) => path.join(dir, each));
        const at = paths.map((each) => (each === "content" ? each : `${dir}/${each}`));
        const { ok, failed } = await deploy(
          sees(`${into}/before`, ...all),
          does(act, ...at),
          sees(`${into}/after`, ...all),
          seqprops(sees(`${into}/again`, ...all)),
        );
        assert.ok(ok, JSON.stringify(failed));
        const seen = (name: string) => readFileSync(`${into}/${name}`, "utf8");
        // The file system itself, with nothing in between that could remember.
        const fresh = await seenAt(all, targetOf("agent"));
        assert.equal(seen("after"), fresh);
        assert.equal(seen("again"), fresh);
        assert.notEqual(seen("before"), fresh);
      } finally {
        rmSync(into, { recursive: true });
      }
    });

  test("a nested deployment", async () => {
    fill();
    await deploy(
      sees(`${dir}/before`, `${dir}/file`),
      reconnects([rehome(dir)], does("writeFile", `${dir}/file`)),
      sees(`${dir}/after`, `${dir}/file`),
    );
    assert.match(readFileSync(`${dir}/after`, "utf8"), /"new"/);
  });

  test("a follow-up", async () => {
    fill();
    await deploy(
      onChange(file.hasContent(`${dir}/file`, ["changed"]), does("copyFile", `${dir}/file`, `${dir}/new`)),
      sees(`${dir}/after`, `${dir}/new`),
    );
    assert.match(readFileSync(`${dir}/after`, "utf8"), /"changed\\n"/);
  });

  test("something else that changes the host meanwhile, as soon as a step sees it", async () => {
    const notices = defprop({
      name: "test.ahead.notices",
      kind: "posix",
      args: object({ place: string() }),
      call: (place: string) => ({ place }),
      apply: async ({ place }, target) => {
        const isThere = () => target.succeeds(["test", "-e", place]);
        assert.equal(await isThere(), false);
        writeFileSync(place, "at last\n");
        while (!(await isThere())) await new Promise(setImmediate);
        return "unchanged";
      },
    });
    const report = await deploy(notices(`${dir}/there`), sees(`${dir}/seen`, `${dir}/there`));
    assert.ok(report.ok, JSON.stringify(report.failed));
    assert.match(readFileSync(`${dir}/seen`, "utf8"), /"at last\\n"/);
  });
});

describe("what is asked ahead", () => {
  /** Asks until the file `gate` exists, with one question. */
  const gate = (place: string): PropApp =>
    cmd.single("exit 1", { unless: `while [ ! -e ${place} ]; do sleep 0.1; done` });

  test("is given up when an act needs its turn", async () => {
    const report = await deploy(file.hasContent(`${dir}/gate`, ["open"]), gate(`${dir}/gate`));
    assert.deepEqual(
      report.steps.map(({ status }) => status),
      ["changed", "unchanged"],
    );
  });

  test("ends with the deployment that is cancelled", async () => {
    const begun = deploy(toy.rests("first"), gate(`${dir}/gate`));
    let started = false;
    begun.subscribe((event) => {
      if (event.kind === "step-started" && event.property === "cmd.single") started = true;
    });
    await until("its turn has come", () => started);
    begun.cancel();
    const report = await begun;
    assert.equal(report.status, "cancelled");
  });

  test("calls no slot that takes no target, reports no step and nothing that fails", async () => {
    const report = await deploy(
      toy.changes("once"),
      does("writeFile", `${dir}/x`),
      file.hasMode(`${dir}/x`, 0o600),
    );
    assert.deepEqual(toy.takeDone(), ["once"]);
    assert.deepEqual(
      report.steps.map(({ status }) => status),
      ["changed", "changed", "changed"],
    );
  });
});

/** Why a test of `act` is skipped. */
function needsRoot(act: string): string | false {
  return process.getuid?.() !== 0 && /Owner$/.test(act) && "needs root";
}
