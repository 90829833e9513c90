/** A secret at the prompt: it is nowhere on the terminal, in the history, or in anything else that a session leaves. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as via from "../../../lib/via";
import { needsTerminal, prompt } from "../../repl/_terminal";
import { Canaries } from "../../support/canaries";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { type Rig, rig } from "../agent/_rig";

const PROBE = `import { defprop, schema } from "consfigurator";

/** Prints the datum, and fails. */
export const printed = defprop({
  name: "leak.printed",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  hostattrs: (_args, host) => host.requireData("_app", "token"),
  apply: async (_args, target) => {
    await target.run("cat; exit 3", { input: await target.data("_app", "token"), inform: true });
    return "changed";
  },
});
`;

describe("a secret at the prompt", needsMachines(), () => {
  let on: Rig;
  const origin = mkdtempSync("/tmp/origin-");
  const canaries = new Canaries();
  before(async () => {
    on = await rig();
    mkdirSync(path.join(origin, "_app"));
  });
  after(async () => {
    await on?.stop();
    rmSync(origin, { recursive: true, force: true });
    canaries.dispose();
  });

  for (const kind of ["shell", "agent"] as const)
    test(`${kind}: planned, deployed with everything shown, failed, logged and typed`, {
      ...needsTerminal,
      timeout: limit(120),
    }, async (t) => {
      const [stored, typed] = [canaries.issue(`stored, ${kind}`), canaries.issue(`typed, ${kind}`)];
      writeFileSync(path.join(origin, "_app/token"), `${stored}\n`);
      const chain = [on.ssh(), ...(kind === "agent" ? [via.agent()] : [])]
        .map(({ hop, args }) => `via.${hop}(${hop === "agent" ? "" : JSON.stringify(args)})`)
        .join(", ");
      const { type, until, keys, root, closed, opened } = await prompt(t, {
        "properties/leak.ts": PROBE,
        "hosts/web1.ts": `import { defhost, registerDataSource, source, via } from "consfigurator";
import { file } from "consfigurator/properties";
import * as leak from "../properties/leak";

registerDataSource(source.filesTree(${JSON.stringify(origin)}), source.askpass({ iden1: /^_typed$/ }));
export const web1 = defhost("web1.example.org", { deploy: [${chain}] },
  file.secretUploaded("_app", "token", "/etc/of-${kind}/token"),
  file.secretUploaded("_typed", "${kind}", "/etc/of-${kind}/typed"),
  leak.printed());
`,
      });
      const screens = [opened];
      const ready = /consfig> $/;
      for (const command of [".verbose on", ".diff on", "await plan(web1)"])
        screens.push(await type(command, ready));
      screens.push(await type("deploy(web1)", new RegExp(`\\(_typed, ${kind}\\): $`)));
      keys(`${typed}\r`);
      screens.push(await until(/again: $/));
      keys(`${typed}\r`);
      screens.push(await until(/exit code 3[\s\S]*what now\? \[12345\] $/, 60));
      keys("4");
      screens.push(await until(ready));
      screens.push(await type("await plan(web1)", ready), await type(".log", ready));
      keys(".exit\r");
      await closed;
      assert.match(screens.join("\n"), /\[secret\]/);
      assert.deepEqual(canaries.in(screens.join("\n")), []);
      const written = ["-rlF", "await plan(web1)", path.dirname(root)];
      assert.match(execFileSync("grep", written, { encoding: "utf8" }), /history/);
      assert.deepEqual(canaries.inFiles([path.dirname(root)]), []);
      assert.equal(await on.machine.run(`cat /etc/of-${kind}/*`), `${stored}\n${typed}`);
      await on.machine.run(`rm -r /etc/of-${kind}`);
      assert.deepEqual(canaries.inFiles([on.machine.upper]), []);
    });
});
