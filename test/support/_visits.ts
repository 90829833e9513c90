/** The visitors of `Load`, in a thread of their own. */
import http from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import type { LoadData, LoadEnd } from "./visitors";

/** Milliseconds between two requests of a visitor. */
const PAUSE_MS = 20;
/** Milliseconds for which a connection without a request is kept. */
const MAX_IDLE_MS = 1000;
/** POSTs that are sent behind one another. */
const BATCH = 5;

class Visits {
  readonly #lost: string[] = [];
  readonly #done: Int32Array;
  #stopped = false;
  readonly #visits: Promise<void>[];

  constructor({ url, done, visitors: { fresh = 0, kept = 0, pipelining = 0 } }: LoadData) {
    this.#done = done;
    const each = (count: number, visit: () => Promise<void>) => Array.from({ length: count }, visit);
    this.#visits = [
      ...each(fresh, () => this.#repeat(() => this.#ask(url, false, "GET"))),
      ...each(kept, () => this.#visitKept(url)),
      ...each(pipelining, () => this.#visitPipelining(new URL(url))),
    ];
  }

  async end(): Promise<LoadEnd> {
    this.#stopped = true;
    await Promise.all(this.#visits);
    return { done: this.#done[0] ?? 0, lost: this.#lost };
  }

  async #repeat(act: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await act();
      await sleep(PAUSE_MS);
    }
  }

  async #visitKept(url: string): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let turn = 0;
    await this.#repeat(() => this.#ask(url, agent, turn++ % 2 === 0 ? "GET" : "POST"));
    agent.destroy();
  }

  async #ask(url: string, agent: http.Agent | false, method: string): Promise<void> {
    Atomics.add(this.#done, 0, 1);
    await new Promise<void>((resolve) => {
      const lost = (why: unknown) => {
        this.#lost.push(`${method}: ${String(why)}`);
        resolve();
      };
      const request = http.request(url, { agent, method, timeout: 20_000 }, (response) => {
        if ((response.statusCode ?? 500) >= 400) this.#lost.push(`${method}: status ${response.statusCode}`);
        response.resume().on("end", resolve).on("error", lost);
      });
      request.on("error", lost).on("timeout", () => request.destroy(new Error("no answer")));
      request.end(method === "POST" ? "entry=" : undefined);
    });
  }

  async #visitPipelining({ hostname, port, host }: URL): Promise<void> {
    let socket: net.Socket | undefined;
    let usedAt = 0;
    const post = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 6\r\n\r\nentry=`;
    await this.#repeat(async () => {
      // The server closes what is idle: this client may have had to wait for the processor.
      if (performance.now() - usedAt > MAX_IDLE_MS || socket?.destroyed) {
        socket?.destroy();
        socket = undefined;
      }
      socket ??= net.connect(Number(port), hostname).setNoDelay();
      Atomics.add(this.#done, 0, BATCH);
      for (let n = 0; n < BATCH; n++) socket.write(post);
      const { answers, closed, why } = await answersOn(socket, BATCH);
      usedAt = performance.now();
      if (answers < BATCH) this.#lost.push(`${BATCH - answers} pipelined POSTs: ${why}`);
      if (closed || answers < BATCH) {
        socket.destroy();
        socket = undefined;
      }
    });
    socket?.destroy();
  }
}

/** Waits for `wanted` answers, each with a body of a stated length or none. */
function answersOn(
  socket: net.Socket,
  wanted: number,
): Promise<{ answers: number; closed: boolean; why: string }> {
  return new Promise((resolve) => {
    let [text, answers, closed] = ["", 0, false];
    const end = (why: unknown) => {
      for (const event of ["data", "error", "close", "timeout"]) socket.removeAllListeners(event);
      socket.on("error", () => {});
      resolve({ answers, closed, why: String(why) });
    };
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (;;) {
        const [head, length] = headOf(text);
        if (head === undefined || text.length < head.length + 4 + length) break;
        text = text.slice(head.length + 4 + length);
        answers += 1;
        closed ||= /^connection: close\r?$/im.test(head);
      }
      if (answers >= wanted) end("answered");
    });
    socket.setTimeout(20_000, () => end("no answer"));
    socket.on("error", end).on("close", () => end("the connection was closed"));
  });
}

function headOf(text: string): [head: string | undefined, length: number] {
  const at = text.indexOf("\r\n\r\n");
  if (at < 0) return [undefined, 0];
  const head = text.slice(0, at);
  return [head, Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)];
}

const visits = new Visits(workerData as LoadData);
parentPort?.once("message", () => void visits.end().then((end) => parentPort?.postMessage(end)));
