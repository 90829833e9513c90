import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { localConnection } from "../../../lib/connection/local";
import type { Channel, Connection } from "../../../lib/model/connection";
import type { Hop } from "../../../lib/model/hop";
import * as via from "../../../lib/via";
import { me, open, type Sshd, sshd } from "./_sshd";

const links: Readonly<Record<string, (server: Sshd) => Hop | undefined>> = {
  "via.local()": () => undefined,
  "via.ssh() of ssh2": (server) => hopTo(server, "ssh2"),
  "via.ssh() of the system": (server) => hopTo(server, "openssh"),
};

function hopTo(server: Sshd, transport: "ssh2" | "openssh"): Hop {
  const { port, identity, config } = server;
  return via.ssh({ user: me, hop: "127.0.0.1", port, identity, config, transport });
}

/** The exit code of `channel`; fails when it has not ended within `seconds`. */
async function exitOf(channel: Channel, seconds: number): Promise<number> {
  channel.stdout.resume();
  channel.stderr.resume();
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(`the command has not ended within ${seconds} s of its signal`);
  });
  return Promise.race([channel.exit, late]);
}

describe("signals are repeated until the end of the command is seen", () => {
  let server: Sshd;
  before(async () => {
    server = await sshd();
    server.trust(`[127.0.0.1]:${server.port}`, "web1.test");
  });
  after(() => server?.stop());

  for (const [name, hopOf] of Object.entries(links)) {
    describe(name, () => {
      let connection: Connection;
      before(async () => {
        const hop = hopOf(server);
        connection = hop ? (await open(hop)).connection : localConnection();
      });

      test("one sent at once ends the command, 20 times of 20", async () => {
        for (let round = 0; round < 20; round++) {
          const channel = await connection.exec("sleep 60; sleep 61");
          channel.kill();
          assert.notEqual(await exitOf(channel, 5), 0);
        }
      });

      test("a command that misses the first one receives another", async () => {
        const channel = await connection.exec(
          "n=0; trap 'n=$((n + 1)); [ $n -lt 2 ] || exit 7' TERM; echo ready; while :; do sleep 0.1; done",
        );
        await new Promise((ready) => channel.stdout.once("data", ready));
        channel.kill();
        assert.equal(await exitOf(channel, 4), 7);
      });

      test("a command that ignores it is killed", async () => {
        const channel = await connection.exec("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        await new Promise((ready) => channel.stdout.once("data", ready));
        channel.kill();
        assert.notEqual(await exitOf(channel, 10), 0);
      });
    });
  }
});
