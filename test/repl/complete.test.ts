import assert from "node:assert/strict";
import test from "node:test";
import { defprop } from "../../lib/model/property";
import { boolean, integer, list, object, oneOf, optional, path, string } from "../../lib/model/schema";
import { completer } from "../../repl/complete";
import { Shell } from "../../repl/shell";
import { Workspace } from "../../repl/workspace";

let touched = 0;
const set = defprop({
  name: "noun.set",
  kind: "posix",
  args: object({
    path: path(),
    state: oneOf("on", "off"),
    deep: optional(object({ colour: oneOf("red", "blue"), sure: boolean() })),
    lines: list(string()),
  }),
  call: (
    path: string,
    state: "on" | "off",
    options: { deep?: { colour: "red" | "blue"; sure: boolean } } = {},
    ...lines: string[]
  ) => ({ path, state, lines, ...options }),
  apply: async () => "unchanged",
});
const zone = defprop({
  name: "noun.zone",
  kind: "posix",
  args: object({
    zone: string({ suggest: "time zones" }),
    suite: optional(string({ examples: ["bookworm", "trixie"] })),
  }),
  call: (zone: string, suite?: string) => ({ zone, ...(suite !== undefined && { suite }) }),
  apply: async () => "unchanged",
});
const whole = defprop({
  name: "noun.whole",
  kind: "posix",
  args: object({ size: integer(), mode: oneOf("a", "b") }),
  apply: async () => "unchanged",
});

const consfig = {
  noun: { set, whole, zone },
  web1: { name: "web1.example.org", nested: { field: 1 } },
  web2: {
    get danger() {
      touched += 1;
      return { inside: 1 };
    },
  },
  mail: { name: "mail.example.org", applications: [] },
  mask: new Proxy(
    {},
    {
      ownKeys: () => [`trap${(touched += 1)}`],
      getOwnPropertyDescriptor: () => void (touched += 1),
    },
  ),
};

const workspace = new Workspace({
  root: process.cwd(),
  scope: () => consfig,
  refresh: () => ({ loaded: [], removed: [], notices: [] }),
  isSource: () => true,
});
workspace.refresh();
const view = { add: () => {}, settle: () => {} };
const complete = completer(new Shell(workspace, { write: () => true }, () => view));

const cases: [input: string, expected: string[]][] = [
  ["we", ["web1", "web2"]],
  ["noun.", ["set", "whole", "zone"]],
  ["x + noun.w", ["whole"]],
  ["web1.", ["name", "nested"]],
  ["web1.nested.", ["field"]],
  ["web2.danger.", []],
  ["mask.", []],
  ["f().", []],
  ["noun.set(", ["path: string", 'state: "on" | "off"', "options", "...lines: string[]", "→ noun.set"]],
  ['noun.set("/x", ', ['"on"', '"off"']],
  ['noun.set("/x", "o', ['on"', 'off"']],
  ['noun.set("/x", "on", { ', ["deep: "]],
  ['noun.set("/x", "on", { de', ["deep: "]],
  ['noun.set("/x", "on", { deep: { ', ["colour: ", "sure: "]],
  ['noun.set("/x", "on", { deep: { sure: ', ["true", "false"]],
  ['noun.set("/x", "on", { deep: { colour: "r', ['red"']],
  ['noun.set("/x", "on", { deep: { colour: "red", ', ["sure: "]],
  ["noun.whole({ mode: ", ['"a"', '"b"']],
  ["noun.whole({ size: 1, m", ["mode: "]],
  ["const s = 'we", []],
  ["// we", []],
  [".pro", [".props"]],
  [".doc noun.w", ["noun.whole"]],
  [".load test/repl/comp", ["test/repl/complete.test.ts"]],
  ['import { x } from "consfigurator/', ["consfigurator/properties"]],
  ["consol", ["console"]],
  ['noun.zone("Europe/Lond', ['Europe/London"']],
  ['noun.zone("Mars/', []],
  ['noun.zone("UTC", "bo', ['bookworm"']],
  ['via.ssh({ identity: "test/repl/compl', ['test/repl/complete.test.ts"']],
  ['via.ssh({ identity: "test/rep', ["test/repl/"]],
  ['source.age({ location: "./test/repl/compl', ['./test/repl/complete.test.ts"']],
  ['source.filesTree("./test/repl/compl', ['./test/repl/complete.test.ts"']],
  ['source.environment({ variable: "te', []],
  ['source.localFile({ iden1: "a", ', ["location: ", "iden2: ", "version: "]],
  ["deploy(web1, via.sandbox()).can", ["cancel"]],
  ["(await deploy(web1)).st", ["status", "steps"]],
  ["(await deploy([web1, web2])).re", ["reports"]],
  ["(await nothing(web1)).st", []],
  ["(web1).na", []],
  ["on(web1).po", ["ports"]],
  ["on([web1, web2]).ports().fi", ["filter", "find"]],
  ["deploy(", ["mail"]],
  ["deploy([web1, m", ["mail"]],
  ["deployThese(we", ["web1", "web2"]],
  ["deploy(mail, web", ["web1", "web2"]],
  [".shell m", ["mail"]],
  [".verb", [".verbose"]],
  [".verbose o", ["on", "off"]],
];

for (const [input, expected] of cases) {
  test(`completes ${input}`, () => {
    assert.deepEqual(complete(input)[0], expected);
  });
}

test("completion runs no code of the values, and is fast", () => {
  assert.equal(touched, 0);
  const before = process.cpuUsage();
  for (const [input] of cases) complete(input);
  const took = process.cpuUsage(before).user / 1000 / cases.length;
  assert.ok(took < 50, `${took} ms of CPU time each`);
});

test("members of what the library exports", () => {
  assert.deepEqual(complete("via.su")[0], ["su", "sudo"]);
});
