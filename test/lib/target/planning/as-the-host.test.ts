/** Acts have the results in a plan that they have on the host: each sequence is planned, compared, and then done. */
import assert from "node:assert/strict";
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { type OnTarget, onBothTargets, targetOf } from "consfigurator/testing";
import type { HostChange } from "../../../../lib/model/changes";
import type { FileStat, PosixTarget } from "../../../../lib/model/target";
import { TestPlan } from "./_plan";

type Act = (target: PosixTarget) => Promise<unknown>;

/** What comes of an act: its result, or the message with which it fails. */
const resultOf = async (act: Act, target: PosixTarget): Promise<unknown> => {
  try {
    return (await act(target)) ?? "done";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
};

/** Everything below `directory`, as `target` sees it. */
async function seen(target: PosixTarget, directory = "."): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const name of (await target.list(directory)) ?? []) {
    const file = directory === "." ? name : `${directory}/${name}`;
    const [own, followed, link, real] = await Promise.all([
      target.lstat(file),
      target.stat(file),
      target.readLink(file),
      target.realPath(file),
    ]);
    const content = followed?.type === "file" ? String(await target.readBytes(file)) : undefined;
    all[file] = { own: shown(own), followed: shown(followed), link, real, content };
    if (own?.type === "directory") Object.assign(all, await seen(target, file));
  }
  return all;
}

/** Without what only the kernel knows: times, inodes, sizes of directories. */
const shown = (stat: FileStat | undefined): string | undefined =>
  stat &&
  `${stat.type} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.type === "file" ? stat.size : ""}`;

const files = (changes: readonly HostChange[]) => changes.filter(({ kind }) => kind === "file");

const arrange = (dir: string): void => {
  writeFileSync(`${dir}/file`, "one\ntwo\n", { mode: 0o644 });
  writeFileSync(`${dir}/private`, "secret\n", { mode: 0o600 });
  // Contents are not shared by hard links once a file is replaced; modes and owners are, which a plan does not see.
  linkSync(`${dir}/file`, `${dir}/hard`);
  mkdirSync(`${dir}/dir/inner`, { recursive: true });
  writeFileSync(`${dir}/dir/file`, "inside\n");
  writeFileSync(`${dir}/dir/inner/deep`, "deep\n");
  mkdirSync(`${dir}/empty`);
  mkdirSync(`${dir}/group`);
  chmodSync(`${dir}/group`, 0o2775);
  symlinkSync("file", `${dir}/link`);
  symlinkSync("dir", `${dir}/dirlink`);
  symlinkSync("nowhere", `${dir}/dangling`);
  symlinkSync("loop", `${dir}/loop`);
  symlinkSync(path.join(dir, "dir/inner"), `${dir}/empty/absolute`);
};

/** Why a file cannot be renamed is said by mv(1) in its own words. */
const comparable = (result: unknown, kind: "posix" | "agent"): unknown =>
  kind === "posix" && typeof result === "string"
    ? result.replace(/^(FailedChange: cannot rename [^:]*): .*/, "$1")
    : result;

/** What an act comes to: its result, its changes, and what is there afterwards. */
type Outcome = Record<string, unknown>;

async function outcomeOf(
  act: Act,
  target: PosixTarget,
  changes: readonly HostChange[],
  afterwards: PosixTarget | undefined,
): Promise<Outcome> {
  const result = await resultOf(act, target);
  return { result, changes: files(changes), ...(afterwards && (await seen(afterwards))) };
}

/** Plans `acts`, each as a step of its own, then does them, and compares results, changes and what is seen in between. */
async function compared({ kind, snapshot }: OnTarget, acts: readonly Act[]): Promise<void> {
  const before = snapshot();
  const plan = new TestPlan(kind);
  // Over a shell each question is a process, so the whole directory is looked at once.
  const isLookedAt = (index: number) => kind === "agent" || index === acts.length - 1;
  const planned: Outcome[] = [];
  for (const [index, act] of acts.entries()) {
    const { target, findings, changes } = plan.step();
    planned.push(await outcomeOf(act, target, changes, isLookedAt(index) ? plan.target : undefined));
    assert.equal(findings.certain && !findings.open, true, "the plan is certain");
  }
  assert.deepEqual(snapshot(), before, "nothing was done");
  const differences: unknown[] = [];
  for (const [index, act] of acts.entries()) {
    const changes: HostChange[] = [];
    const real = targetOf(kind, { changed: (change) => void changes.push(change) });
    const actual = await outcomeOf(act, real, changes, isLookedAt(index) ? real : undefined);
    for (const name of new Set([...Object.keys(actual), ...Object.keys(planned[index] ?? {})])) {
      const [is, was] = [actual[name], planned[index]?.[name]].map((each) => comparable(each, kind));
      if (!isDeepStrictEqual(is, was)) differences.push({ act: String(act), name, planned: was, actual: is });
    }
  }
  assert.deepEqual(differences, []);
}

const sequences: Record<string, Act[]> = {
  "files are created, edited, removed and created again": [
    (on) => on.ensureContent("new", "a\nb\n"),
    (on) => on.ensureContent("new", "a\nb\n"),
    (on) => on.editLines("new", (lines) => [...lines, "c"]),
    (on) => on.writeFile("new", "d\n", { mode: 0o600 }),
    (on) => on.remove("new"),
    (on) => on.remove("new"),
    (on) => on.readFile("new"),
    (on) => on.ensureContent("new", "e\n"),
    (on) => on.editLines("file", ([first]) => [first ?? ""]),
    (on) => on.readLines("hard"),
    (on) => on.writeFile("file", "three\n"),
    (on) => on.readLines("hard"),
  ],
  "links are followed when files are written, and are not when they are removed": [
    (on) => on.writeFile("link", "through\n"),
    (on) => on.writeFile("dangling", "made\n"),
    (on) => on.setMode("link", 0o640),
    (on) => on.setOwner("link", { user: "1", group: "2" }),
    (on) => on.remove("link"),
    (on) => on.writeFile("loop", "x"),
    (on) => on.symlink("link", "dir"),
    (on) => on.list("link"),
    (on) => on.symlink("file", "dir"),
    (on) => on.symlink("dirlink", "empty"),
    (on) => on.list("dirlink"),
    (on) => on.symlink("dirlink", "empty"),
    (on) => on.readLink("dirlink"),
    (on) => on.symlink("nowhere-at-all/link", "dir"),
  ],
  "directories in the path that are links, on the host and planned": [
    (on) => on.ensureContent("dirlink/new", "x\n"),
    (on) => on.readFile("dir/new"),
    (on) => on.symlink("other", "dir/inner"),
    (on) => on.ensureContent("other/new", "y\n"),
    (on) => on.readFile("dir/inner/new"),
    (on) => on.readFile("empty/absolute/deep"),
    (on) => on.symlink("empty/absolute", "../dir"),
    (on) => on.readFile("empty/absolute/file"),
    (on) => on.realPath("empty/absolute/inner/../file"),
    (on) => on.remove("dirlink"),
    (on) => on.readBytes("dirlink/new"),
    (on) => on.realPath("dirlink/new"),
    (on) => on.makeDirectory("dirlink/sub"),
    (on) => on.list("dirlink"),
    (on) => on.list("dir"),
    (on) => on.remove("dirlink", { recursive: true }),
    (on) => on.symlink("dirlink", "empty"),
    (on) => on.ensureContent("dirlink/x", "x"),
    (on) => on.readFile("empty/x"),
    (on) => on.symlink("one", "two"),
    (on) => on.symlink("two", "one"),
    (on) => on.stat("one"),
    (on) => on.realPath("one"),
  ],
  "directories, their parents, and setgid": [
    (on) => on.makeDirectory("a/b/c", { mode: 0o700 }),
    (on) => on.makeDirectory("a/b/c"),
    (on) => on.ensureContent("a/b/file", "kept\n"),
    (on) => on.setMode("a/b", 0o750),
    (on) => on.setOwner("a", { group: "4" }),
    (on) => on.list("a/b"),
    (on) => on.readFile("a/b/file"),
    (on) => on.makeDirectory("file"),
    (on) => on.makeDirectory("file/below"),
    (on) => on.ensureContent("x/y/z", "content"),
    (on) => on.setOwner("group", { group: "4" }),
    (on) => on.setMode("group", 0o2775),
    (on) => on.makeDirectory("group/sub/subsub"),
    (on) => on.ensureContent("group/sub/file", "1\n"),
    (on) => on.ensureContent("group/other/file", "1\n"),
    (on) => on.symlink("group/link", "file"),
    (on) => on.writeFile("missing/file", ""),
    (on) => on.ensureContent("file/below", ""),
  ],
  "removed directories hide what is below": [
    (on) => on.remove("dir"),
    (on) => on.remove("dir", { recursive: true }),
    (on) => on.list("dir"),
    (on) => on.readBytes("dir/file"),
    (on) => on.stat("dir/inner/deep"),
    (on) => on.readBytes("dirlink/file"),
    (on) => on.list("dirlink"),
    (on) => on.readBytes("empty/absolute/deep"),
    (on) => on.makeDirectory("dir"),
    (on) => on.list("dir"),
    (on) => on.list("dirlink"),
    (on) => on.ensureContent("dirlink/again", "x"),
    (on) => on.remove("dir/"),
    (on) => on.removeEmptyDirectory("dir"),
    (on) => on.remove("dir/again"),
    (on) => on.removeEmptyDirectory("dir"),
    (on) => on.removeEmptyDirectory("dir"),
    (on) => on.removeEmptyDirectory("file"),
  ],
  "directories are emptied": [
    (on) => on.emptyDirectory("dir"),
    (on) => on.list("dir"),
    (on) => on.emptyDirectory("dir"),
    (on) => on.emptyDirectory("file"),
    (on) => on.emptyDirectory("nowhere"),
    (on) => on.ensureContent("dir/new", "x"),
    (on) => on.emptyDirectory("dirlink"),
    (on) => on.list("dir"),
  ],
  "files and directories are renamed": [
    (on) => on.rename("file", "renamed"),
    (on) => on.readFile("renamed"),
    (on) => on.readBytes("file"),
    (on) => on.rename("dir", "moved"),
    (on) => on.list("moved"),
    (on) => on.readFile("moved/inner/deep"),
    (on) => on.list("dir"),
    (on) => on.ensureContent("moved/inner/new", "x\n"),
    (on) => on.list("moved/inner"),
    (on) => on.rename("link", "link2"),
    (on) => on.readLink("link2"),
    (on) => on.rename("nothing", "something"),
    (on) => on.rename("renamed", "private"),
    (on) => on.readFile("private"),
    (on) => on.ensureContent("fresh", "1"),
    (on) => on.rename("fresh", "moved/fresh"),
    (on) => on.readFile("moved/fresh"),
    (on) => on.rename("moved", "dir"),
    (on) => on.readFile("dir/inner/new"),
    (on) => on.readFile("dir/inner/deep"),
    (on) => on.rename("private", "no/where"),
    (on) => on.rename("dir", "empty"),
    (on) => on.rename("empty", "dir/inner"),
    (on) => on.rename("dir/inner", "private"),
    (on) => on.rename("private", "dir"),
    (on) => on.rename("dir", "dir/inner/below"),
    (on) => on.rename("dirlink", "group/dirlink"),
  ],
  "directories that were changed are renamed": [
    (on) => on.ensureContent("dir/new", "1\n"),
    (on) => on.remove("dir/file"),
    (on) => on.rename("dir", "moved"),
    (on) => on.list("moved"),
    (on) => on.readFile("moved/new"),
    (on) => on.stat("moved/file"),
    (on) => on.makeDirectory("fresh/sub"),
    (on) => on.ensureContent("fresh/sub/file", "2\n"),
    (on) => on.rename("fresh", "fresh2"),
    (on) => on.readFile("fresh2/sub/file"),
    (on) => on.list("fresh2"),
  ],
  "files are copied": [
    (on) => on.copyFile("file", "copy"),
    (on) => on.sameContent("file", "copy"),
    (on) => on.editLines("file", () => ["changed"]),
    (on) => on.readFile("copy"),
    (on) => on.sameContent("file", "copy"),
    (on) => on.copyFile("private", "copy"),
    (on) => on.copyFile("dir", "copy"),
    (on) => on.copyFile("nothing", "copy"),
    (on) => on.copyFile("link", "dangling"),
    (on) => on.copyFile("file", "no/where"),
    (on) => on.sameContent("copy", "private"),
    (on) => on.sameContent("copy", "nothing"),
  ],
  "modes and owners": [
    (on) => on.remove("hard"),
    (on) => on.setMode("file", 0o4755),
    (on) => on.setMode("file", 0o4755),
    (on) => on.setOwner("file", { user: "daemon", group: "daemon" }),
    (on) => on.setOwner("file", { user: "1", group: "1" }),
    (on) => on.setOwner("file", { user: "nobody-at-all" }),
    (on) => on.setOwner("nothing", { user: "1" }),
    (on) => on.setMode("nothing", 0o600),
    (on) => on.writeFile("file", "kept\n"),
    (on) => on.setMode("dir", 0o500),
    (on) => on.setMode("private", 0o2640),
    (on) => on.setOwner("private", { group: "3" }),
    (on) => on.setMode("private", 0o6770),
    (on) => on.setOwner("private", { group: "2" }),
    (on) => on.setMode("group", 0o6775),
    (on) => on.setOwner("group", { group: "2" }),
    (on) => on.setMode("dirlink", 0o755),
    (on) => on.setOwner("dirlink", { user: "1" }),
  ],
  "what is there stands in the way": [
    (on) => on.writeFile("dir", ""),
    (on) => on.ensureContent("empty", ""),
    (on) => on.editLines("dir", () => ["x"]),
    (on) => on.symlink("dir", "file"),
    (on) => on.remove("/"),
    (on) => on.readFile("dir"),
    (on) => on.readFile("nothing"),
  ],
};

describe("each act has the result that it has on the host, and is seen by the next", () => {
  for (const [name, acts] of Object.entries(sequences)) {
    test(name, (t) =>
      onBothTargets(t, async (on) => {
        arrange(on.dir);
        await compared(on, acts);
        // It names the scratch directory, which is another one for each target.
        rmSync(`${on.dir}/empty/absolute`, { force: true });
      }),
    );
  }
});
