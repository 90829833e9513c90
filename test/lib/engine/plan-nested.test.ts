/** Plans of deployments nested in others, through real hops of this machine. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { desc, eseqprops, onChange } from "../../../lib/combinators";
import { as as asUser } from "../../../lib/connection/as";
import { chroot } from "../../../lib/connection/chroot";
import { local } from "../../../lib/connection/local";
import { plan } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import { defprop, type PropApp } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { as, deploys, reconnects } from "../../../lib/nested/deploys";
import { needsMachines } from "../../support/machines";
import { planOutline } from "../../support/outline";
import { nowhere } from "../controller/_hosts";

/** Has the file `name` with `content`. */
const has = defprop({
  name: "test.nestedHas",
  kind: "posix",
  args: object({ name: string(), content: string() }),
  call: (name: string, content: string) => ({ name, content }),
  desc: ({ name }) => path.basename(name),
  apply: ({ name, content }, target) => target.ensureContent(name, content),
});

/** Runs a command that may change `touches`. */
const runs = defprop({
  name: "test.nestedRuns",
  kind: "posix",
  args: object({ touches: string() }),
  call: (touches: string) => ({ touches }),
  desc: () => "command",
  apply: async ({ touches }, target) => {
    await target.run("false", { touches: { paths: [touches] } });
    return "changed";
  },
});

describe("a plan of nested deployments", needsMachines(), () => {
  let dir: string;
  let home: string | undefined;
  before(() => {
    home = process.env["HOME"];
    dir = mkdtempSync(path.join(tmpdir(), "nested-"));
    chmodSync(dir, 0o777);
    process.env["HOME"] = dir;
    writeFileSync(`${dir}/file`, "one\n");
    chmodSync(`${dir}/file`, 0o644);
  });
  after(async () => {
    await session.close();
    process.env["HOME"] = home;
    rmSync(dir, { recursive: true, force: true });
  });

  /** What the plan of a host says; nothing is done. */
  async function planned(...properties: PropApp[]): Promise<string[]> {
    const names = readdirSync(dir).filter((name) => name !== ".cache");
    const host = defhost("nested.example.org", { deploy: [local()] }, ...properties);
    const report = await plan(host);
    assert.equal(report.failure, undefined);
    assert.deepEqual(
      readdirSync(dir).filter((name) => name !== ".cache"),
      names,
      "nothing was done",
    );
    assert.equal(readFileSync(`${dir}/file`, "utf8"), "one\n");
    return planOutline(report.steps).map((line) => line.replaceAll(dir, "DIR"));
  }

  test(`as another user, in a chroot, on another host`, async () => {
    const child = defhost("child.example.org", {}, has(`${dir}/file`, "two\n"));
    assert.deepEqual(
      await planned(
        as("nobody", has(`${dir}/file`, "one\n"), has(`${dir}/new`, "x")),
        reconnects(chroot("/"), has(`${dir}/file`, "one\n")),
        deploys(child, asUser("nobody")),
      ),
      [
        "would change as nobody",
        "  holds file",
        "  would change new",
        // The chroot has a /tmp of its own, which may be another one.
        "would change through via.chroot('/')",
        "  would change file",
        "depends on [file], now changed: deploys child.example.org",
        "  depends on [file], now changed: file",
      ],
    );
  });

  test(`a nested step that is refused by the host`, async () => {
    assert.deepEqual(await planned(as("nobody", has("/etc/nested-plan", "x"))), [
      "would fail as nobody (a step inside it failed)",
      "  would fail nested-plan: FailedChange: cannot write /etc/nested-plan: permission denied to the user nobody",
    ]);
    assert.equal(existsSync("/etc/nested-plan"), false);
  });

  test(`whose hop cannot be opened fails one step`, async () => {
    assert.deepEqual(await planned(reconnects(nowhere(), has(`${dir}/a`, "x")), has(`${dir}/b`, "y")), [
      "would fail through via.nowhere(): AbortedChange: via.nowhere(): there is no way",
      "would change b",
    ]);
  });

  test("whose account an earlier step may create depends on that step", async () => {
    assert.deepEqual(
      await planned(has(`${dir}/a`, "x"), as("nobody-yet", has("b", "y")), has(`${dir}/c`, "z")),
      [
        "would change a",
        `depends on [a], now failed: as nobody-yet (as the host is now, it would fail: via.as('nobody-yet'): there is no user nobody-yet on the host; user.hasAccount("nobody-yet") creates it)`,
        "depends on [as nobody-yet], now changed: c",
      ],
    );
  });

  test(`inside a follow-up that may not run`, async () => {
    assert.deepEqual(
      await planned(
        eseqprops(
          runs(`${dir}/file`),
          onChange(has(`${dir}/file`, "one\n"), desc("follow-up", as("nobody", has(`${dir}/new`, "x")))),
        ),
      ),
      [
        "would change … command",
        "depends on [command], now unchanged: file",
        "depends on [file], now changed: follow-up",
        "  depends on [file], now changed: new",
      ],
    );
  });
});
