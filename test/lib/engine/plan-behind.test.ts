/** What a plan knows of nested deployments on the same machine, over a shell and through an agent; each plan comes true. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { eseqprops } from "../../../lib/combinators";
import { deploy, plan } from "../../../lib/controller/deploy";
import type { Hop } from "../../../lib/model/hop";
import { defhost } from "../../../lib/model/host";
import type { PropApp } from "../../../lib/model/property";
import { as, deploys, reconnects } from "../../../lib/nested/deploys";
import { assertStepsCameTrue, stepOutcomes } from "../../../lib/test-harness/planning";
import * as via from "../../../lib/via";
import { cmd, file } from "../../../properties";
import { needsMachines } from "../../support/machines";
import { planOutline } from "../../support/outline";
import { type LocalAgent, localAgent } from "../agent/_local";

describe("a plan of nested deployments on the same machine", needsMachines(), () => {
  let agent: LocalAgent;
  let dir: string;
  before(() => {
    agent = localAgent();
  });
  after(() => agent?.stop());
  beforeEach(() => {
    // Not below /tmp, of which a chroot has its own.
    dir = mkdtempSync("/var/tmp/behind-");
    chmodSync(dir, 0o777);
    writeFileSync(`${dir}/file`, "one\n", { mode: 0o644 });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** A test over a shell and through an agent: what is planned, and then comes true. */
  const planned = (name: string, properties: () => PropApp[], expected: readonly string[]): void => {
    for (const [through, hops] of [
      ["a shell", [via.local()]],
      ["an agent", [via.local(), via.agent()]],
    ] as const)
      test(`${name}, through ${through}`, async () => {
        const given = hops as unknown as Hop;
        // A plan starts no agent.
        const start = defhost("behind.example.org", {}, file.hasContent(`${dir}/file`, ["one"]));
        const started = await deploy(start, given);
        assert.ok(started.ok, JSON.stringify(started.failure ?? started.failed));
        const host = defhost("behind.example.org", {}, ...properties());
        const report = await plan(host, given);
        assert.equal(report.failure, undefined);
        const outline = planOutline(report.steps).map((line) => line.replaceAll(dir, "DIR"));
        assert.deepEqual(outline, expected);
        const outcome = await deploy(host, given);
        assertStepsCameTrue(stepOutcomes(report), stepOutcomes(outcome));
      });
  };

  planned(
    "as another user: the files are known in both directions",
    () => [
      file.hasContent(`${dir}/new`, ["x"]),
      as(
        "nobody",
        file.hasContent(`${dir}/new`, ["x"]),
        file.containsLines(`${dir}/file`, "one"),
        file.hasContent(`${dir}/theirs`, ["y"]),
      ),
      file.hasContent(`${dir}/theirs`, ["y"]),
      file.containsLines(`${dir}/theirs`, "z"),
    ],
    [
      "would change content of DIR/new",
      "would change as nobody",
      "  holds content of DIR/new",
      "  holds DIR/file contains one",
      "  would change content of DIR/theirs",
      "holds content of DIR/theirs",
      "would change DIR/theirs contains z",
    ],
  );

  planned(
    "as another user: what that user may not do or see",
    () => [
      file.hasContent(`${dir}/private`, ["x"]),
      file.hasMode(`${dir}/private`, 0o600),
      file.directoryExists(`${dir}/closed`),
      file.hasContent(`${dir}/closed/file`, ["x"]),
      file.hasMode(`${dir}/closed`, 0o700),
      file.directoryExists(`${dir}/root`),
      as("nobody", file.containsLines(`${dir}/private`, "x")),
      as("nobody", file.containsLines(`${dir}/closed/file`, "x")),
      as("nobody", file.hasContent(`${dir}/root/file`, ["x"])),
    ],
    [
      "would change content of DIR/private",
      "would change DIR/private has mode 0600",
      "would change directory DIR/closed exists",
      "would change content of DIR/closed/file",
      "would change DIR/closed has mode 0700",
      "would change directory DIR/root exists",
      "depends on [DIR/private contains x], now changed: as nobody",
      "  depends on [DIR/private has mode 0600], now unchanged: DIR/private contains x",
      "depends on [DIR/closed/file contains x], now changed: as nobody",
      "  depends on [DIR/closed has mode 0700], now unchanged: DIR/closed/file contains x",
      "would fail as nobody (a step inside it failed)",
      "  would fail content of DIR/root/file: FailedChange: cannot write DIR/root/file: permission denied to the user nobody",
    ],
  );

  planned(
    "in a chroot: paths are below its root, in both directions",
    () => [
      file.hasContent(`${dir}/new`, ["x"]),
      reconnects(
        via.chroot("/"),
        file.hasContent(`${dir}/new`, ["x"]),
        file.hasContent(`${dir}/inside`, ["y"]),
      ),
      file.hasContent(`${dir}/inside`, ["y"]),
    ],
    [
      "would change content of DIR/new",
      "would change through via.chroot('/')",
      "  holds content of DIR/new",
      "  would change content of DIR/inside",
      "holds content of DIR/inside",
    ],
  );

  planned(
    "a command inside is bounded by what it touches",
    () => [
      as(
        "nobody",
        eseqprops(cmd.single(`echo x >${dir}/made`, { touches: { paths: [`${dir}/made`] } })),
        file.hasContent(`${dir}/file`, ["one"]),
      ),
      file.hasContent(`${dir}/file`, ["one"]),
      file.hasContent(`${dir}/made`, ["x"]),
    ],
    [
      "would change as nobody",
      "  would change … echo x >DIR/made",
      "  holds content of DIR/file",
      "holds content of DIR/file",
      "depends on [echo x >DIR/made], now changed: content of DIR/made",
    ],
  );

  planned(
    "deployments in deployments",
    () => [
      file.hasContent(`${dir}/outer`, ["x"]),
      deploys(
        defhost("child.example.org", {}, file.hasContent(`${dir}/outer`, ["x"])),
        via.chroot("/"),
        as("nobody", file.containsLines(`${dir}/outer`, "x"), file.hasContent(`${dir}/inner`, ["y"])),
      ),
      file.hasContent(`${dir}/inner`, ["y"]),
    ],
    [
      "would change content of DIR/outer",
      "would change deploys child.example.org",
      "  holds content of DIR/outer",
      "  would change as nobody",
      "    holds DIR/outer contains x",
      "    would change content of DIR/inner",
      "holds content of DIR/inner",
    ],
  );
});
