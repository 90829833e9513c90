import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setSiteRoot } from "../../../lib/model/site";
import { renderedTemplate } from "../../../lib/source/rendering";

let root: string;
before(() => {
  root = mkdtempSync(path.join(tmpdir(), "templates-"));
  mkdirSync(path.join(root, "parts"));
  setSiteRoot(root);
});
after(() => {
  setSiteRoot(process.cwd());
  rmSync(root, { recursive: true, force: true });
});

const write = (text: string, name = "t.conf") => writeFileSync(path.join(root, name), text);
const render = (text: string, values: object = {}, data: Record<string, readonly [string, string]> = {}) => {
  write(text);
  return renderedTemplate("t.conf", { ...values }, data);
};
const refused = (text: string, message: string, values: object = {}) =>
  assert.throws(() => render(text, values), { name: "InapplicableProperty", message });

test("values are written out as they are, each with the rest of its line", () => {
  assert.deepEqual(
    render("a <%= it.a %>\nb '\\n' <%= it.b %>\n<%= it.c %>\n", { a: "<&'\"\\", b: 2, c: true }),
    ["a <&'\"\\\nb '\\n' 2\ntrue\n"],
  );
  assert.deepEqual(render("", {}), []);
  assert.deepEqual(render("no end", {}), ["no end"]);
});

test("lines with nothing but tags that print nothing leave nothing", () => {
  const text = [
    "<% /* head */ %>",
    "list:",
    "  <% for (const each of it.list) { %>",
    "  - <%= each %>",
    "  <% if (each === 1) { %><% } %>",
    "    <% } %>  ",
    "x <% if (true) { %>",
    "y",
    "<% } %> z",
    "\\",
    "<% it.list %>",
  ];
  assert.deepEqual(render(text.join("\n"), { list: [1, 2] }), ["list:\n  - 1\n  - 2\nx \ny\n z\n\\\n"]);
});

test("another template is included relative to the one that names it", () => {
  write("server <%= it.name %>;\n<%~ include('deeper.conf') %>", "parts/server.conf");
  write("deeper <%= it.port %>\n", "parts/deeper.conf");
  const text =
    "<% for (const name of it.names) { %>\n<%~ include('parts/server.conf', { name }) %>\n<% } %>\n";
  assert.deepEqual(render(text, { names: ["a", "b"], port: 1 }), [
    "server a;\ndeeper 1\n\nserver b;\ndeeper 1\n\n",
  ]);
  write("one\n<%= it.prot %>\n", "parts/deeper.conf");
  refused(text, 'parts/deeper.conf:2: there is no value "it.prot"; did you mean "it.port"?', {
    names: ["a"],
    port: 1,
  });
  refused(
    "\n<%~ include('none.conf') %>",
    `there is no template none.conf in the consfig; a path is relative to ${root}, or to the template that includes it`,
  );
});

test("what is not among the values is an error, with file and line", () => {
  const values = { port: 1, db: { hosts: [{ name: "a" }] }, none: null };
  refused("\n<%= it.prot %>", 't.conf:2: there is no value "it.prot"; did you mean "it.port"?', values);
  refused("<%= it.x %>", 't.conf:1: there is no value "it.x"; it has nothing');
  refused(
    "\n\n<%= it.db.hosts[0].address %>",
    't.conf:3: there is no value "it.db.hosts[0].address"; it has name',
    values,
  );
  refused(
    "<%= it.db %>",
    "t.conf:1: an object cannot be written out; it must be a string, a number or a boolean",
    values,
  );
  refused(
    "<%= it.db.hosts %>",
    "t.conf:1: a list cannot be written out; it must be a string, a number or a boolean",
    values,
  );
  refused(
    "<%= it.none %>",
    "t.conf:1: null cannot be written out; it must be a string, a number or a boolean",
    values,
  );
  refused(
    "<%= it.db.hosts[3] %>",
    "t.conf:1: undefined cannot be written out; it must be a string, a number or a boolean",
    values,
  );
  assert.deepEqual(
    render("<% if ('x' in it) { %>x<% } %><%= it.db.hosts.map(({ name }) => name).join() %>", values),
    ["a"],
  );
});

test("errors of syntax name file and line", () => {
  refused("a\n<%= it.x ", "t.conf:2: unclosed tag");
  refused("a\n\n<% if ( { %>\nb\n", "t.conf:3: Unexpected token '.'");
  refused("a\n<% throw new Error('not today') %>", "t.conf:2: not today");
  assert.throws(() => renderedTemplate("no.conf", {}), {
    message: `there is no template no.conf in the consfig; a path is relative to ${root}, or to the template that includes it`,
  });
});

test("data are left open, and can only be written out", () => {
  const data = { password: ["_shop", "db"], token: ["_shop", "api"] } as const;
  assert.deepEqual(render("a=<%= it.password %>\nb=<%= `${it.token}` %><%= it.password %>\n", {}, data), [
    "a=",
    ["_shop", "db"],
    "\nb=",
    ["_shop", "api"],
    ["_shop", "db"],
    "\n",
  ]);
  const inspecting =
    't.conf:1: the text of the datum "it.password" is not known before the deployment; write it out as it is';
  for (const text of [
    "<%= it.password.length %>",
    "<%= JSON.stringify(it.password) %>",
    "<% it.password.x %>",
  ])
    assert.throws(() => render(text, {}, data), { message: inspecting });
  assert.throws(() => render("<%= String(it.password).toUpperCase() %>", {}, data), {
    message:
      "t.conf: a datum is changed by the template, but its text is not known before the deployment; write it out as it is",
  });
  assert.throws(() => render("", { token: 1 }, data), {
    message: '"token" is a value and a datum of the template; rename one of them',
  });
});
