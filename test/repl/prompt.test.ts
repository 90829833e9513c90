import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { stripVTControlCharacters } from "node:util";
import { promised } from "../support/load";
import { until as waitFor } from "../support/until";
import { command, consfigWith, goOn } from "./_consfig";
import { needsTerminal, prompt } from "./_terminal";

test(
  "a session: values, redefinition, multiline input, errors that do not end it",
  needsTerminal,
  async (t) => {
    const { type, keys, closed, opened } = await prompt(t);
    assert.equal(
      opened,
      "3 hosts: here, broken, slow; try deploy(here). Tab completes, .help lists the commands.\nconsfig> ",
    );
    await type("const n: number = 20", /consfig> $/);
    await type("const n: number = 21; n * 2", /\n42\nconsfig> $/);
    await type("_ + 1", /\n43\nconsfig> $/);
    await type("function twice(x: number) {\rreturn x * 2\r}\rtwice(4)", /\n8\nconsfig> $/);
    await type(
      "heer",
      /ReferenceError: heer is not defined\ndid you mean here\?\n {2}at prompt\[\d+\]:1:1\nconsfig> $/,
    );
    await type("setTimeout(() => { throw new Error('late') }, 5); 0", /late[\s\S]*consfig> $/);
    await type("void Promise.reject(new Error('lost'))", /lost[\s\S]*consfig> $/);
    await type("file.hasContent('/x', 5 as any)", /file\.hasContent: args\.content/);
    await type(".bogus", /there is no command \.bogus; see \.help\nconsfig> $/);
    await type(".hosts", /here {4}here\.example\.org {4}via\.local\(\) {2}1 property/);
    keys("\u0004");
    assert.equal(await closed, 0);
  },
);

test("deploy, edit, deploy again; the report; saving successful inputs", needsTerminal, async (t) => {
  const { root, env, type } = await prompt(t);
  await type("deploy(here)", /\+ here\.example\.org: 1 changed in .*\n[\s\S]*consfig> $/);
  await type("deploy(here)", /= here\.example\.org: 1 unchanged in/);
  await type("_.changed.length", /\n0\nconsfig> $/);
  const file = path.join(root, "hosts/here.ts");
  writeFileSync(file, readFileSync(file, "utf8").replace('"hello"', '"hello again"'));
  await type("deploy(here)", /\+ here\.example\.org: 1 changed in/);
  assert.equal(readFileSync(path.join(env["HOME"] ?? "", "greeting"), "utf8"), "hello again\n");
  await type(
    "deploy(broken)",
    /\| before[\s\S]*✗ broken\.example\.org: 1 failed in[\s\S]*what now\? \[12345\] $/,
  );
  await type("", /\[12345\] 4\nconsfig> $|^4\nconsfig> $/);
  await type(".report", /cmd\.single, at hosts\/here\.ts:7:7/);
  await type("missing", /not defined/);
  await type(".save out.repl", /wrote 4 inputs to out\.repl/);
  assert.equal(
    readFileSync(path.join(root, "out.repl"), "utf8"),
    "// Run it with: consfig play out.repl\ndeploy(here)\ndeploy(here)\n_.changed.length\ndeploy(here)\n",
  );
});

test("a load error is printed once, and the previous consfig stays", needsTerminal, async (t) => {
  const { root, type, keys, until } = await prompt(t);
  const file = path.join(root, "hosts/here.ts");
  const good = readFileSync(file, "utf8");
  writeFileSync(file, `${good}export const x = missing;\n`);
  await type(
    "here.name",
    /missing is not defined\n\n {2}\d+ \| .*\n.*\^\nkeeping the previous consfig\n'here\.example\.org'\nconsfig> $/,
  );
  await type("here.name", /name\n'here\.example\.org'\nconsfig> $/);
  await type(
    "deploy(fresh)",
    /ReferenceError: fresh is not defined\nthis is the previous consfig: hosts\/here\.ts:11:18 failed to load\n {2}at prompt\[\d\]:1:8\nconsfig> $/,
  );
  writeFileSync(file, `${good}export const x = 7;\n`);
  await type(".save none/out.repl", /cannot write none\/out\.repl: no such file or directory\nconsfig> $/);
  await type(
    'fs.readFileSync("none")',
    /Error: ENOENT: no such file or directory, open 'none'\n {2}at prompt\[\d\]:1:4\nconsfig> $/,
  );
  await type("x", /\n7\nconsfig> $/);
  writeFileSync(file, `${good}export const x = (7;\n`);
  const refused = await type("deploy(here)", /what now\? \[124\] $/);
  assert.match(
    refused,
    /^deploy\(here\)\nhosts\/here\.ts:11:20: '\)' expected\.\n\n {2}11 \| .*\n.*\^\nkeeping the previous consfig\n {2}the consfig failed to load \(see above\)\n✗ here\.example\.org: refused before connecting\n/,
  );
  assert.match(refused, /\n {2}1 {2}retry after fixing it\n {2}2 {2}edit hosts\/here\.ts:11, then retry\n/);
  keys("4");
  await until(/consfig> $/);
  const again = await type("deploy(here)", /what now\? \[124\] $/);
  assert.match(again, /^deploy\(here\)\n {2}hosts\/here\.ts:11:20: '\)' expected\.\n/);
  keys("4");
  await until(/consfig> $/);
  await type(".doc file", /\nfile\.hasContent +`path` exists|\nfile\.hasContent +\S.*\n[\s\S]*consfig> $/);
});

test(
  "Ctrl-C: the prompt returns at once, the running step ends, the next does not start",
  needsTerminal,
  async (t) => {
    const { env, keys, type, until } = await prompt(t);
    keys("deploy(slow)\r");
    await until(/slow\.example\.org: [0-9.]+ m?s/);
    // It takes 100 ms.
    const inTime = promised(1, "a prompt after Ctrl-C");
    keys("\u0003");
    await until(
      /stopping after the running step; press Ctrl-C again to cancel that step\ninterrupted\nconsfig> $/,
    );
    inTime();
    await type("1 + 1", /\n2\nconsfig> $/);
    goOn(env);
    await until(/slow\.example\.org: [\s\S]*consfig> $/);
    assert.ok(!existsSync(path.join(env["HOME"] ?? "", "not-reached")));
    await type("console.log('be', 'gun'); while (true) {}", /be gun/);
    keys("\u0003");
    await until(/interrupted\nconsfig> $/);
    // Printed when the prompt waits: Node drops a signal that comes while it ends the call that began.
    await type("setTimeout(() => console.log('be', 'gun')); new Promise(() => {})", /be gun/);
    keys("\u0003");
    await until(/interrupted\nconsfig> $/);
  },
);

test("leaving while a deployment runs shows where it is still running", needsTerminal, async (t) => {
  const { env, keys, until, closed } = await prompt(t);
  keys("deploy(slow)\r");
  await until(/slow\.example\.org: [0-9.]+ m?s/);
  keys("\u0003");
  await until(/interrupted\nconsfig> $/);
  keys("\u0004");
  await until(/still running on slow\.example\.org; see \.log slow\.example\.org\n/);
  goOn(env);
  assert.equal(await closed, 0);
});

test("the history file is private, and Tab completes", needsTerminal, async (t) => {
  const { env, keys, type, until, closed } = await prompt(t);
  await type("'remembered'", /'remembered'\nconsfig> $/);
  keys("file.hasMo\t");
  await until(/file\.hasMode$/);
  keys("\u0015\u0004");
  await closed;
  const history = path.join(env["XDG_STATE_HOME"] ?? "", "consfigurator/history");
  assert.match(readFileSync(history, "utf8"), /'remembered'/);
  assert.equal(statSync(history).mode & 0o777, 0o600);
});

test("a report prints again by name, and each variable keeps its own", needsTerminal, async (t) => {
  const { type } = await prompt(t);
  await type("const first = deploy(here)", /\+ here\.example\.org: 1 changed in .*\nconsfig> $/);
  await type("const second = deploy(here)", /= here\.example\.org: 1 unchanged in .*\nconsfig> $/);
  await type(
    "first",
    /first\n {2}\+ content of greeting.*\n\+ here\.example\.org: 1 changed in .*\nconsfig> $/,
  );
  await type(
    "second",
    /second\n {2}= content of greeting.*\n= here\.example\.org: 1 unchanged in .*\nconsfig> $/,
  );
  await type("deploy(here).changed.length", /= here\.example\.org: 1 unchanged in .*\n0\nconsfig> $/);
});

test("at 80 columns no word is broken", needsTerminal, async (t) => {
  const { type, opened } = await prompt(t, { "hosts/far.ts": FAR }, { columns: 80 });
  assert.match(opened, /^5 hosts: far, here, broken, slow, … \(\.hosts\); try deploy\(far\)\. /);
  const help = await type(".help", /cancel\s+that\s+step\.\nconsfig> $/);
  assert.match(help, /\n {2}\.log HOST \[N\] +recent deployments on HOST, by[^\n]*\n {10,}\S/);
  const hosts = await type(".hosts", /consfig> $/);
  assert.match(
    hosts,
    /\nfar {5}far\.example\.org {5}0 properties {2}hosts\/far\.ts:2:\d+\n {8}via\.ssh\(\{ user: 'root', hop: '192\.0\.2\.7', port: 2222 \}\), via\.agent\(\)\n/,
  );
  assert.match(
    hosts,
    /\nall\[1\] {2}last\.example\.org {4}0 properties {2}hosts\/far\.ts:3:\d+\n {8}via\.local\(\)\n/,
  );
  for (const line of `${help}\n${hosts}`.split("\n")) assert.ok(line.length < 80, line);
});

const FAR = `import { defhost, via } from "consfigurator";
export const far = defhost("far.example.org", { deploy: [via.ssh({ user: "root", hop: "192.0.2.7", port: 2222 }), via.agent()] });
export const all = [far, defhost("last.example.org", { deploy: [via.local()] })];
`;

const FAMILY = `import { defhost, deploys, makeChildHost, via } from "consfigurator";
import { cmd } from "consfigurator/properties";

const shelf = makeChildHost({ name: "shelf.x" });
const room = makeChildHost({ name: "room.x" }, deploys(shelf, via.chroot("/s")));
export const far = defhost("far.x", { deploy: [via.ssh()] });
export const house = defhost("house.x", deploys(room, via.chroot("/r")), deploys(far));
`;

test(".hosts lists the hosts that a host deploys below it", needsTerminal, async (t) => {
  const { type } = await prompt(t, { "hosts/here.ts": FAMILY });
  const shown = await type(".hosts", /\nconsfig> $/);
  const lines = shown.split("\n").map((line) => line.trim().replace(/ {2,}/g, "  "));
  assert.deepEqual(lines.slice(1, -1), [
    "far  far.x  via.ssh()  0 properties  hosts/here.ts:6:27",
    "house  house.x  no hops: pass them to deploy()  2 properties  hosts/here.ts:7:29",
    "└ room.x  inside it",
    "└ shelf.x  inside it",
    "└ far.x  deployed from it",
  ]);
});

test(
  "pasting: lines that continue a statement, dot-commands, tabs; saved as they were",
  needsTerminal,
  async (t) => {
    const { root, keys, type, until } = await prompt(t);
    const text =
      "[1, 2]\n\t.map((x) => x + 1)\nif (_.length > 5) {\n\t'many'\n}\nelse {\n\t'few'\n}\n.verbose\nconst n = [4]\n.map((x) => x * 2)\nn";
    keys(`\u001b[200~${text}\u001b[201~`);
    await until(/\n\[ 2, 3 \]\n[\s\S]*\noff: new deployments show only their steps\n[\s\S]*> n$/);
    keys("\r");
    await until(/\n\[ 8 \]\nconsfig> $/);
    keys(text.replaceAll("\n", "\r")); // a terminal that does not mark what is pasted
    await until(/\n\[ 2, 3 \]\n[\s\S]*\noff: new deployments show only their steps\n[\s\S]*> n$/);
    keys("\r");
    await until(/\n\[ 8 \]\nconsfig> $/);
    keys(".map((x) => x)\r");
    await until(
      /\n\.map continues nothing: the statement above has ended; _\.map is that of its value\nconsfig> $/,
    );
    await type("const typed = `one", /\| $/);
    await type("two` // of two", /\nconsfig> $/);
    await type(".save pasted.repl", /wrote 9 inputs to pasted\.repl\n/);
    const statements = text.replace(".verbose\n", "");
    assert.equal(
      readFileSync(path.join(root, "pasted.repl"), "utf8"),
      `// Run it with: consfig play pasted.repl\n${statements}\n${statements}\nconst typed = \`one\ntwo\` // of two\n`,
    );
  },
);

test(
  "ten thousand inputs are remembered and searched; words for dot-commands; .exit",
  needsTerminal,
  async (t) => {
    const { env } = consfigWith(t);
    const history = path.join(env["XDG_STATE_HOME"] ?? "", "consfigurator/history");
    mkdirSync(path.dirname(history), { recursive: true });
    const old = Array.from({ length: 10_050 }, (_, index) => `'input ${index}.'`);
    writeFileSync(history, old.join("\n"));
    const { keys, type, until, closed } = await prompt(t, {}, { environment: env });
    keys("\u0012input 9999.");
    await until(/bck-i-search: input 9999\./);
    keys("\r");
    await until(/\n'input 9999\.'\nconsfig> $/);
    await type(
      "exit",
      /ReferenceError: exit is not defined\ndid you mean \.exit\?\n {2}at prompt\[2\]:1:1\nconsfig> $/,
    );
    await type("help", /ReferenceError: help is not defined\ndid you mean \.help\?\n/);
    await type(".quit", /there is no command \.quit; did you mean \.exit\?\nconsfig> $/);
    assert.match(await type(".exit", /\.exit\n[\s\S]*$/), /^\.exit\n$/);
    assert.equal(await closed, 0);
    const kept = readFileSync(history, "utf8").split("\n");
    // Six inputs were new, so that as many of the oldest are gone.
    assert.deepEqual(
      [kept.length, kept[0], kept.at(-2), kept.at(-1)],
      [10_001, ".exit", "'input 9994.'", ""],
    );
  },
);

test("SIGTERM leaves the prompt as .exit does", needsTerminal, async (t) => {
  const { env, type, keys, until, closed } = await prompt(t);
  const shown = await type("process.pid", /\n\d+\nconsfig> $/);
  keys("deploy(slow)\r");
  await until(/slow\.example\.org: [0-9.]+ m?s/);
  process.kill(Number(/\n(\d+)\n/.exec(shown)?.[1]), "SIGTERM");
  await until(/still running on slow\.example\.org; see \.log slow\.example\.org\n/);
  goOn(env);
  assert.equal(await closed, 143);
});

test("two deployments of one host at once are drawn apart", needsTerminal, async (t) => {
  const { env, keys, until, type } = await prompt(t);
  keys("Promise.all([deploy(slow), deploy(slow)])\r");
  await until(/slow\.example\.org: [0-9.]+ s/);
  goOn(env);
  const drawn = await until(
    /slow\.example\.org: 2 changed in[\s\S]*slow\.example\.org: 2 changed in[\s\S]*consfig> $/,
  );
  assert.doesNotMatch(drawn, /same key|Warning|React/i);
  await type("1 + 1", /\n2\nconsfig> $/);
});

test("Ctrl-Z suspends the whole job, with what has started it", needsTerminal, async (t) => {
  const { root, env } = consfigWith(t);
  const child = spawn("script", ["-qfec", "bash --norc --noprofile -i", "/dev/null"], {
    env: { ...env, TERM: "xterm" },
    stdio: "pipe",
  });
  t.after(() => child.kill("SIGKILL"));
  let seen = "";
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  const type = async (typed: string, pattern: RegExp) => {
    seen = "";
    child.stdin.write(typed);
    const shown = () => stripVTControlCharacters(seen).replaceAll("\r", "");
    await waitFor(`${pattern} on the screen`, () => pattern.test(shown()), { seconds: 30, saw: shown });
  };
  // As npm does: a process in between, which waits.
  await type(`sh -c "${process.execPath} ${command} --consfig ${root}; true"\r`, /consfig> $/);
  await type("1 + 1\r", /\n2\nconsfig> $/);
  await type("\u001a", /Stopped[^\n]*\n\S*[$#] $/);
  await type("echo in $((1 + 2))\r", /\nin 3\n\S*[$#] $/);
  await type("fg\r", /\nconsfig> $/);
  await type("2 + 2\r", /\n4\nconsfig> $/);
  await type("\u0004", /[$#] $/);
});
