/** What unapplying leaves: nothing. Each property that can be unapplied, on both sides. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { withFlagfile } from "../../lib/combinators";
import type { PropApp } from "../../lib/model/property";
import * as apt from "../../properties/apt";
import * as cron from "../../properties/cron";
import * as file from "../../properties/file";
import * as periodic from "../../properties/periodic";
import * as service from "../../properties/service";
import * as sudo from "../../properties/sudo";
import * as sysctl from "../../properties/sysctl";
import * as systemd from "../../properties/systemd";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { bootSides, isUndone, type Side, type Sides, succeeds } from "../support/sides";
import { differences, ownCaches, snapshot } from "../support/snapshot";

interface Case {
  readonly application: PropApp;
  /** Paths that it is said to leave. */
  readonly leaves?: readonly string[];
}

const marked = file.existsWithContent("/srv/h/mark", "");

const cases: Readonly<Record<string, Case>> = {
  "apt.proxy": { application: apt.proxy("http://proxy.example.org:3142") },
  "apt.noPdiffs": { application: apt.noPdiffs() },
  "apt.periodicUpdates": { application: apt.periodicUpdates() },
  "cron.systemJob": { application: cron.systemJob("backup", "daily", "root", "true") },
  "cron.niceSystemJob": { application: cron.niceSystemJob("backup", "0 3 * * *", "root", "true") },
  "cron.userCrontabInstalled": { application: cron.userCrontabInstalled({}, "0 3 * * * true") },
  "file.existsWithContent": { application: file.existsWithContent("/srv/d/b/c", "text") },
  "file.containsLines": { application: file.containsLines("/srv/a/b/c", ["one", "two"]) },
  "file.hasBlock": { application: file.hasBlock("/srv/e/b/c", "mine", ["one"]) },
  "file.symlinked": { application: file.symlinked({ from: "/srv/f/link", to: "/etc/motd" }) },
  "file.hasAcl": { application: file.hasAcl("/opt", "user:games:r-x") },
  "file.hasAcl, for what is created in it": {
    application: file.hasAcl("/opt", "user:games:rwx", "default:group:games:r-x"),
  },
  "periodic.atMost": { application: periodic.atMost("daily", "each day", marked) },
  "service.noServices": { application: service.noServices() },
  "sudo.allows": { application: sudo.allows("games", { as: "root", commands: ["/usr/bin/true"] }) },
  "sysctl.set": { application: sysctl.set("net.ipv4.ip_forward", "1") },
  "systemd.hasUnit": { application: systemd.hasUnit("one.service", "[Service]\nExecStart=/bin/true\n") },
  "systemd.hasDropIn": {
    application: systemd.hasDropIn("cron.service", "nice", "[Service]\nNice=5\n"),
  },
  "systemd.hasTimer": { application: systemd.hasTimer("one", { when: "daily", command: "/bin/true" }) },
  "systemd.lingeringEnabled": { application: systemd.lingeringEnabled("plain") },
  "systemd.masked": { application: systemd.masked("nothing.service") },
  withFlagfile: { application: withFlagfile("/srv/g/flag", marked) },
};

describe("unapplying", needsMachines(), () => {
  let sides: Sides;
  before(
    async () => {
      sides = await bootSides();
      // The packages that properties install stay.
      const install = "apt-get -qq update && apt-get -qq install -y moreutils acl sudo >/dev/null";
      await Promise.all(sides.each.map(({ machine }) => machine.run(install)));
    },
    { timeout: limit(240) },
  );
  after(() => sides?.stop());

  const onEach = (body: (side: Side) => Promise<void>) => Promise.all(sides.each.map(body)).then(() => {});
  const files = (side: Side, leaves: readonly string[] = []) =>
    snapshot(side.machine, { except: [...ownCaches, ...leaves] });

  for (const [name, { application, leaves }] of Object.entries(cases))
    test(`${name} leaves the files as they were`, () =>
      onEach(async (side) => {
        const earlier = await files(side, leaves);
        assert.equal((await succeeds(side.apply(application))).change, "changed");
        await isUndone(side, application);
        assert.deepEqual(differences(earlier, await files(side, leaves)), [], side.kind);
      }));
});
