import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { localConnection } from "../../../lib/connection/local";
import { local } from "../../../lib/via";
import { ALL } from "../../support/breadth";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { conforms, openChain, ran } from "./_conformance";
import { bootContexts, type Contexts, endOf, pairs, type Start, shellIn, starts } from "./_contexts";

describe("conformance of hops", { ...needsMachines(), concurrency: 3 }, () => {
  let contexts: Contexts;
  let tracesBefore: string;
  before(async () => {
    contexts = await bootContexts();
    tracesBefore = await traces(contexts);
  });
  after(async () => {
    let tracesAfter = "";
    // A signal that was sent again to a command that had ended may be on its way.
    const isClean = async () => (tracesAfter = await traces(contexts)) === tracesBefore;
    await until("the end of what is on its way", isClean).catch(() => {});
    await contexts?.stop();
    assert.equal(tracesAfter, tracesBefore, "no mount, file or process is left on the machine");
  });

  const from = (start: Start) =>
    start.from === "here" ? localConnection() : shellIn(contexts.machine, start.from);

  test("via.local", async (t) => {
    const home = process.env["HOME"] ?? "/root";
    const endpoint = { user: "root", home, system: "machine" } as const;
    await conforms(t, await openChain(localConnection(), [local()]), endpoint, "commands and files");
  });

  for (const start of starts) {
    test(start.name, async (t) => {
      const chain = await openChain(from(start), start.hops(contexts));
      await conforms(t, chain, start.to, "commands and files");
    });
  }
  const ends = new Set(starts.map(({ to }) => endOf(to)));
  for (const [start, step] of pairs(ALL)) {
    // Each hop alone has shown what it does with files; a second one does not change that, unless it ends elsewhere.
    const extent = ends.has(endOf(step.to)) ? "commands" : "commands and files";
    ends.add(endOf(step.to));
    test(`${start.name}, ${step.name}`, async (t) => {
      const hops = [...start.hops(contexts), step.hop(contexts)];
      await conforms(t, await openChain(from(start), hops), step.to, extent);
    });
  }
});

/**
 * Traces that a hop could leave: mounts, files in writable directories, and the processes that hops start. Excludes the
 * files of Debian's sudo, which marks the home directory of its user, and the directories of logind for logged-in users.
 */
async function traces({ machine }: Contexts): Promise<string> {
  const commands = [
    "cut -d' ' -f5 /proc/1/mountinfo | grep -v ^/run/user/ | sort",
    "find /tmp /root /home/* /srv /srv/* /run/trees/*/upper/tmp /run/trees/*/upper/root /run/trees/*/upper/home/* -mindepth 1 -maxdepth 1 ! -name .sudo_as_admin_successful | sort",
    "ps -eo args | grep -E '^(sh|/bin/sh|cat|sleep|su|sudo|nsenter|unshare|ssh|run0) ' | grep -v 'ps -eo' | sort",
  ];
  return (await ran(shellIn(machine, "root"), commands.join("; ")))[1];
}
