/** A deployment that is bound to a plan and has stopped is repeated. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { eseqprops, onChange } from "../../../lib/combinators";
import { hasDeviated } from "../../../lib/controller/bound-plan";
import { deploy, plan } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import type { Report } from "../../../lib/model/report";
import * as cmd from "../../../properties/cmd";
import * as file from "../../../properties/file";
import { outline } from "../../support/outline";
import { host } from "./_hosts";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "bound-again-"));
});
after(async () => {
  await session.close();
  rmSync(dir, { recursive: true, force: true });
});

const at = (name: string): string => path.join(dir, name);
const read = (name: string): string => readFileSync(at(name), "utf8");

/** The end of the message about a step that stopped. */
const STOPPED = "nothing was done here: make a new plan, and deploy that";

describe("a deployment that stopped because a step was not as planned", () => {
  beforeEach(() => {
    for (const name of ["first", "b", "last", "ran"]) rmSync(at(name), { force: true });
    writeFileSync(at("b"), "one\n");
  });

  const web1 = () =>
    host(
      eseqprops(
        file.hasContent(at("first"), ["x"]),
        file.containsLines(at("b"), "two"),
        file.hasContent(at("last"), ["x"]),
      ),
    );
  const stopped = async () => {
    const planned = await plan(web1());
    writeFileSync(at("b"), "edited\n");
    const deployment = deploy(planned);
    const report = await deployment;
    assert.equal(hasDeviated(report), true);
    return { deployment, report };
  };
  const noticesOf = (deployment: ReturnType<typeof deploy>) => {
    const notices: string[] = [];
    deployment.subscribe((event) => event.kind === "notice" && void notices.push(event.text));
    return notices;
  };

  test("goes on with that step as it is now; what has begun may hold", async () => {
    const { deployment, report } = await stopped();
    const again = deployment.again([report], { accept: true });
    const notices = noticesOf(again as never);
    assert.deepEqual(outline((await again).steps), [
      `unchanged content of ${at("first")}`,
      `changed ${at("b")} contains two`,
      `changed content of ${at("last")}`,
    ]);
    assert.equal(read("b"), "edited\ntwo\n");
    assert.deepEqual(notices, ["as planned: 3 of 3 steps"]);
  });

  test("stops again where that step would do something else than was accepted", async () => {
    const { deployment, report } = await stopped();
    writeFileSync(at("b"), "edited once more\n");
    const again = await deployment.again([report], { accept: true });
    assert.deepEqual(outline(again.steps), [
      `unchanged content of ${at("first")}`,
      `failed ${at("b")} contains two: NotAsPlanned: file.containsLines is not as planned: its changes are not the planned ones any more (${at("b")} modified); ${STOPPED}`,
      `skipped content of ${at("last")} (file.containsLines is not as planned)`,
    ]);
    assert.equal(read("b"), "edited once more\n");
  });

  test("is repeated as planned once the host is as it was", async () => {
    const { deployment, report } = await stopped();
    writeFileSync(at("b"), "one\n");
    assert.deepEqual(outline((await deployment.again([report])).steps), [
      `unchanged content of ${at("first")}`,
      `changed ${at("b")} contains two`,
      `changed content of ${at("last")}`,
    ]);
  });

  test("still refuses a later step that is not as planned", async () => {
    const { deployment, report } = await stopped();
    writeFileSync(at("last"), "x\n");
    const again = await deployment.again([report], { accept: true });
    assert.deepEqual(outline(again.steps).slice(1), [
      `changed ${at("b")} contains two`,
      `failed content of ${at("last")}: NotAsPlanned: file.hasContent is not as planned: the plan said: it would change something; now: it holds; ${STOPPED}`,
    ]);
  });

  test("is planned anew, for what is left, and that plan can be deployed", async () => {
    const { deployment, report } = await stopped();
    const planned: Report = await deployment.again([report], { plan: true });
    assert.equal(planned.plan, true);
    assert.deepEqual(
      planned.steps.map((step) => step.plan?.answer),
      ["holds", "would change", "would change"],
    );
    assert.equal(read("b"), "edited\n");
    assert.equal((await deploy(planned)).status, "changed");
    assert.equal(read("b"), "edited\ntwo\n");
  });

  test("goes on with steps inside the one that stopped", async () => {
    const web = host(
      onChange(file.containsLines(at("b"), "one"), cmd.single(`touch ${at("ran")}`)),
      file.hasContent(at("last"), ["x"]),
    );
    const planned = await plan(web);
    writeFileSync(at("b"), "");
    const deployment = deploy(planned);
    let report = await deployment;
    let [again, times] = [deployment, 0];
    for (; hasDeviated(report) && times < 3; times++) {
      again = again.again([report], { accept: true });
      report = await again;
    }
    assert.ok(report.ok, JSON.stringify(report.failed));
    assert.deepEqual([read("b"), read("ran"), read("last")], ["one\n", "", "x\n"]);
    assert.equal(times, 2, "the line, then the command that nobody planned");
  });

  test("is strict again when it is planned anew", async () => {
    const web = host(cmd.single(`echo >>${at("ran")}`), file.hasContent(at("last"), ["x"]));
    const deployment = deploy(await plan(web), { strict: true });
    const report = await deployment;
    const planned = await deployment.again([report], { plan: true });
    const { failed } = await deploy(planned);
    assert.deepEqual(
      failed.map(({ failure }) => failure?.message),
      [
        `file.hasContent is not as planned: the plan could not tell what it would do, and is strict (${at("last")} created); ${STOPPED}`,
      ],
    );
    assert.ok((await deployment.again([report], { accept: true })).ok, "what the user has accepted is done");
  });
});

test("a bound deployment whose command failed is repeated", async () => {
  const missing = at("missing");
  const web1 = host(
    eseqprops(file.hasContent(at("c"), ["x"]), cmd.single(`test -e ${missing}`, { touches: {} })),
  );
  const deployment = deploy(await plan(web1));
  const report = await deployment;
  assert.equal(hasDeviated(report), false);
  writeFileSync(missing, "");
  assert.deepEqual(outline((await deployment.again([report])).steps), [
    `unchanged content of ${at("c")}`,
    `changed test -e ${missing}`,
  ]);
});
