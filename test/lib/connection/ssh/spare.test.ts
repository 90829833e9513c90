import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { Client } from "../../../../lib/connection/ssh/_library";
import { SpareSessions } from "../../../../lib/connection/ssh/_spare";

type Opened = (error: Error | undefined, channel?: object) => void;

/** As much of ssh2's client as opens sessions: the host answers when told to, and never once the client is closed. */
class OpeningClient extends EventEmitter {
  opening: Opened[] = [];
  readonly _chanMgr = { add: (opened: Opened): number => this.opening.push(opened) };
  readonly _protocol = { session: () => {} };

  /** As ssh2 does when its socket is closed. */
  close(): void {
    const waiting = this.opening.splice(0);
    this.emit("close");
    for (const opened of waiting) opened(new Error("the channel was not opened"));
  }
}

test("a command for which a session is being opened fails when the connection is closed, and so does the next one", async () => {
  const client = new OpeningClient();
  const spare = new SpareSessions(client as unknown as Client);
  spare.prepare();
  const taken = spare.take();
  client.close();
  await assert.rejects(taken, { message: "the connection is closed" });
  await assert.rejects(spare.take(), { message: "the connection is closed" });
});
