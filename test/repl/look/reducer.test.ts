import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { services, View } from "./_views";

const DOWN = "\u001b[B";
const UP = "\u001b[A";
const ESCAPE = "\u001b";

describe("panes", () => {
  test("numbers, Tab and arrows choose one; of several hosts, the list comes first", () => {
    const view = new View();
    assert.equal(view.state.pane, "properties");
    assert.equal(view.press("4").state.pane, "services");
    assert.equal(view.press("\t").state.pane, "ports");
    assert.equal(view.press("\u001b[D\u001b[D").state.pane, "files");
    assert.equal(view.press("1\u001b[Z").state.pane, "logs");
    assert.equal(new View(["web1", "web2"]).state.pane, "hosts");
  });

  test("the chosen row stays chosen when rows come and go, and is on the screen", () => {
    const view = new View(["web1"], 80, 10).tell(services("web1", "a", "b", "c", "d", "e", "f", "g"));
    view.press(`4${DOWN.repeat(5)}`);
    assert.deepEqual(view.body.slice(1), [
      " b     active  running  enabled",
      " c     active  running  enabled",
      " d     active  running  enabled",
      " e     active  running  enabled",
      ">f     active  running  enabled",
    ]);
    view.tell(services("web1", "0", "a", "b", "c", "d", "e", "f", "g"));
    assert.equal(view.body.at(-1), ">f     active  running  enabled");
    view.tell(services("web1", "a", "b", "c"));
    assert.equal(view.body.at(-1), ">c     active  running  enabled");
    view.press("g");
    assert.equal(view.body[1], ">a     active  running  enabled");
  });

  test("the end of a journal stays chosen while entries come, and an entry above stays where it is", () => {
    const view = new View().press("8");
    const log = (number: number) =>
      view.tell({
        kind: "logged",
        host: "web1",
        at: 0,
        rows: [
          { number, time: `2026-01-31T12:00:0${number}.000Z`, program: "a", message: `entry ${number}` },
        ],
      });
    for (const number of [1, 2]) log(number);
    assert.equal(view.body.at(-1), ">12:00:02  a        entry 2");
    log(3);
    assert.equal(view.body.at(-1), ">12:00:03  a        entry 3");
    view.press(UP);
    log(4);
    assert.equal(view.body.at(-3), ">12:00:02  a        entry 2");
  });
});

describe("filters", () => {
  test("rows with all of the words are shown, until Escape", () => {
    const view = new View().tell(services("web1", "nginx", "cron", "ssh")).press("4/ACTIVE ron");
    assert.deepEqual(view.body.slice(1), [">cron  active  running  enabled"]);
    assert.equal(view.lines.at(-2), "/ACTIVE ron▏");
    view.press("\r");
    assert.equal(view.lines.at(-2), "only what matches ACTIVE ron; Escape shows everything");
    view.press("/x");
    assert.deepEqual(view.body, ["  nothing matches ACTIVE ronx"]);
    view.press(ESCAPE);
    assert.equal(view.body.length, 4);
  });

  test("letters that are keys elsewhere are text there, and pasted text is only text", () => {
    const view = new View().tell(services("web1", "nginx")).press("4/q\u001b[200~d\ny\u001b[201~");
    assert.equal(view.lines.at(-2), "/qd y▏");
    view.press(`${ESCAPE}\u001b[200~d\u001b[201~y`);
    assert.deepEqual(view.effects, []);
    assert.equal(view.state.question, undefined);
  });
});

describe("what acts asks first", () => {
  test("d deploys the host of the row after a y, and nothing else is a yes", () => {
    const view = new View(["web1", "web2"])
      .tell(services("web1", "nginx"), services("web2", "nginx"))
      .press(`4${DOWN}d`);
    assert.equal(view.lines.at(-2), "deploy web2? (y/n)");
    for (const no of ["n", "\r", "Y", "\u0003", ESCAPE]) {
      view.press(`${no}`);
      assert.equal(view.lines.at(-2), "nothing was done");
      assert.deepEqual(view.effects, []);
      view.press("d");
    }
    view.press("y");
    assert.deepEqual(view.effects, [{ kind: "act", act: { kind: "deploy", host: "web2" } }]);
  });

  test("r restarts a unit, where there is one", () => {
    const view = new View().tell(services("web1", "nginx")).press("r");
    assert.equal(view.lines.at(-2), "r restarts a unit: choose one in services");
    view.press("4r");
    assert.equal(view.lines.at(-2), "restart nginx.service on web1? (y/n)");
    view.press("n\rr");
    assert.equal(view.lines.at(-2), "restart nginx.service on web1? (y/n)");
  });

  test("one thing is done at a time; Ctrl-C stops it, and otherwise leaves", () => {
    const view = new View().tell({ kind: "progress", text: "deploying web1: 3 unchanged" });
    assert.equal(view.lines.at(-2), "deploying web1: 3 unchanged (Ctrl-C stops it)");
    view.press("d");
    assert.equal(view.lines.at(-2), "wait: deploying web1: 3 unchanged");
    view.press("\u0003");
    assert.equal(
      view.lines.at(-2),
      "stopping after the running step; press Ctrl-C again to cancel that step",
    );
    view.press("\u0003");
    assert.equal(view.lines.at(-2), "cancelling the running step");
    view.tell({ kind: "acted", host: "web1", text: "web1: 3 unchanged in 1 s" });
    assert.equal(view.lines.at(-2), "web1: 3 unchanged in 1 s");
    view.press("\u0003");
    assert.deepEqual(view.effects, [{ kind: "stop" }, { kind: "cancel" }, { kind: "leave" }]);
  });
});

describe("opening", () => {
  test("a host is shown alone, and Escape shows all again", () => {
    const view = new View(["web1", "web2"]).tell(
      services("web1", "nginx"),
      services("web2", "nginx"),
      ...["web1", "web2"].map((host) => ({
        kind: "answered" as const,
        pane: "hosts" as const,
        host,
        rows: [{ name: host, state: "answers" }],
        at: 0,
      })),
    );
    view.press(`${DOWN}\r4`);
    assert.deepEqual(view.body.slice(1), [">nginx  active  running  enabled"]);
    assert.match(view.lines[0] ?? "", /^web2 /);
    view.press(ESCAPE);
    assert.deepEqual(view.body.slice(1), [
      ">web1  nginx  active  running  enabled",
      " web2  nginx  active  running  enabled",
    ]);
  });

  test("the answer is shown where it was asked for, scrolls, and goes back to the same row", () => {
    const view = new View(["web1"], 80, 10).tell(services("web1", "cron", "nginx")).press(`4${DOWN}\r`);
    const [effect] = view.effects;
    assert.deepEqual(effect?.kind === "open" && [effect.pane, effect.entry.row["name"], effect.title], [
      "services",
      "nginx",
      "nginx.service on web1",
    ]);
    assert.deepEqual(view.body, ["nginx.service on web1", "  asking…"]);
    view.tell({ kind: "opened", title: "cron.service on web1", lines: ["late"] });
    assert.deepEqual(view.body, ["nginx.service on web1", "  asking…"]);
    const lines = Array.from({ length: 9 }, (_, index) => `line ${index + 1}`);
    view.tell({ kind: "opened", title: "nginx.service on web1", lines }).press("G");
    assert.deepEqual(view.body, ["nginx.service on web1 (5–9 of 9 lines)", ...lines.slice(4)]);
    view.press("q");
    assert.equal(view.body.at(-1), ">nginx  active  running  enabled");
    assert.deepEqual(view.effects.length, 1);
  });
});
