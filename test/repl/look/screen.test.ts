import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { screenLines } from "../../../repl/look/screen";
import { AT, services, View } from "./_views";

test("at 80x24, everything is on the screen", () => {
  const view = new View().tell(services("web1", "nginx")).press("4");
  const { lines } = view;
  assert.equal(lines.length, 24);
  assert.equal(lines[0], `web1${" ".repeat(56)}12:00:05Z, every 5 s`);
  assert.equal(lines[1], " 1 hosts 2 properties 3 files [4 services] 5 ports 6 processes 7 disks 8 logs");
  assert.deepEqual(lines.slice(2, 4), [
    " name   state   detail   enabled  memory  since  description",
    ">nginx  active  running  enabled",
  ]);
  assert.equal(
    lines.at(-1),
    "↑↓ Enter open  / filter  p plan  d deploy  r restart  s shell  ? keys  q leave",
  );
});

test("no line is wider than the terminal, whatever hosts answer", () => {
  for (const [columns, rows] of [
    [40, 10],
    [80, 24],
    [200, 50],
  ] as const) {
    const view = new View(["web1"], columns, rows).press("8").tell({
      kind: "logged",
      host: "web1",
      at: AT,
      rows: [
        {
          number: 1,
          time: "2026-01-31T12:00:05.000Z",
          program: "p".repeat(300),
          message: "m\u001b[2J\n\u202e".repeat(300),
        },
      ],
    });
    const lines = screenLines(view.state);
    assert.equal(lines.length, rows);
    for (const line of lines) {
      const text = stripVTControlCharacters(line);
      assert.ok([...text].length <= columns, text);
      assert.doesNotMatch(text, /[\u0000-\u001f\u202e]/);
    }
  }
});

test("a host that does not answer is shown as such, with its last rows, beside the others", () => {
  const view = new View(["web1", "web2", "web3"], 60)
    .tell(services("web1", "nginx"), services("web2", "cron"))
    .press("4");
  view.tell(
    { kind: "lost", pane: "services", host: "web2", message: "via.ssh({ user: 'root' }): no\nroute" },
    { kind: "lost", pane: "services", host: "web3", message: "refused" },
  );
  assert.deepEqual(view.body.slice(1), [
    "✗ web2: no route (rows of 12:00:05Z)",
    "✗ web3: refused",
    ">web1  nginx  active  running  enabled",
    " web2  cron   active  running  enabled",
  ]);
  const alone = new View(["web2"], 60).press("4");
  alone.tell({
    kind: "lost",
    pane: "services",
    host: "web2",
    message: `via.local(): ${"no route ".repeat(8)}`,
  });
  assert.match(alone.lines[0] ?? "", /^web2 +no answer, asked every 15 s$/);
  assert.deepEqual(alone.body, [
    "✗ web2: via.local(): no route no route no route no route no",
    "route no route no route no route",
  ]);
  view.tell(services("web2", "cron"));
  assert.equal(view.body[1], "✗ web3: refused");
});

test("names are wide enough to be told apart, and columns for which there is no room are left out", () => {
  const view = new View(["web1.example.org", "web2"], 50).tell({
    kind: "answered",
    pane: "hosts",
    host: "web1.example.org",
    at: AT,
    rows: [
      { name: "web1.example.org", state: "answers", os: "Debian GNU/Linux 12", availableBytes: 1024 ** 3 },
    ],
  });
  assert.deepEqual(view.body, [
    " name              state    os           available",
    ">web1.example.org  answers  Debian GNU…       1.0G",
    " web2              asking",
  ]);
});

test("a terminal that is too small says what it needs, and how to leave", () => {
  const view = new View(["web1"], 30, 5);
  assert.deepEqual(view.lines, ["30x5 is too small: .look need…", "q leaves"]);
  assert.deepEqual(view.press("d").effects, []);
  assert.deepEqual(view.press("q").effects, [{ kind: "leave" }]);
  assert.equal(view.tell({ kind: "resized", columns: 80, rows: 24 }).lines.length, 24);
});

test("what was not answered yet, and what is empty, is told apart", () => {
  const view = new View().press("4");
  assert.deepEqual(view.body, ["  asking…"]);
  assert.deepEqual(view.tell(services("web1")).body, ["  systemd has loaded no service"]);
});

test("? lists the keys, and any key goes back", () => {
  const view = new View().press("?");
  assert.match(view.body.join("\n"), /Ctrl-C {13}stop what is being done; otherwise leave/);
  assert.equal(view.press("x").state.help, false);
});

test("a narrow screen wraps the help at words, and shows the keys that fit", () => {
  const view = new View(["web1"], 60);
  assert.equal(view.lines.at(-1), "↑↓ Enter open  / filter  p plan  d deploy  ? keys  q leave");
  const body = view.press("?").body;
  assert.match(body.join("\n").replace(/\s+/g, " "), /a property, with its documentation/);
  assert.deepEqual(
    body.filter((line) => line.includes("…")),
    [],
  );
});
