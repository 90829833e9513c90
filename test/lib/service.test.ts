import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { drain } from "../../lib/service";
import { root } from "../../lib/util/package";
import { until } from "../support/until";
import { Load, type Visitors } from "../support/visitors";
import { workspace } from "./source/_workspace";

const source = `import http from "node:http";
import { serve } from "consfigurator/service";
const server = http.createServer((request, response) => {
  request.resume().on("end", () => setTimeout(() => response.end("hello"), 5));
});
serve(server, { port: 0 });
server.on("listening", () => console.log("listening", process.pid));
`;

/** Holds the socket, as systemd does, and runs the service once for each line that it reads. */
const holder = 'while read -r line; do "$@" </dev/null; echo "exit $?"; done';

/** Under load, restarts a service on a socket that stays open. */
async function restarted(
  directory: string,
  visitors: Visitors,
): Promise<{ lost: readonly string[]; done: number; exits: readonly string[] }> {
  const file = path.join(directory, "service.ts");
  writeFileSync(file, source);
  const socket = net.createServer();
  socket.listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as net.AddressInfo;
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const service = [process.execPath, "--require", path.join(root, "lib/source/register.js"), file];
  const held = spawn("sh", ["-c", holder, "sh", ...service], {
    stdio: ["pipe", "pipe", "inherit", fd],
    env: { ...process.env, LISTEN_FDS: "1" },
  });
  socket.close();
  const lines = createInterface({ input: held.stdout as Readable })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  const start = async (): Promise<number> => {
    held.stdin?.write("\n");
    return Number((await next()).replace("listening ", ""));
  };
  const exits: string[] = [];
  let pid = await start();
  const load = new Load(`http://127.0.0.1:${port}/`, visitors);
  const end = async () => {
    process.kill(pid, "SIGTERM");
    exits.push(await next());
  };
  for (let n = 0; n < 4; n++) {
    const { done } = load;
    await until("each visitor was answered twice", () => load.done > done + 30);
    await end();
    pid = await start();
  }
  const { lost, done } = await load.end();
  await end();
  held.stdin?.end();
  return { lost, done, exits };
}

const kinds: Readonly<Record<string, Visitors>> = {
  "new connections": { fresh: 5 },
  "kept connections": { kept: 20 },
  "pipelined POSTs": { pipelining: 10 },
};
for (const [name, visitors] of Object.entries(kinds)) {
  test(`a restarted service loses no request: ${name}`, async (t) => {
    const { root: directory } = workspace(t, {});
    const { lost, done, exits } = await restarted(directory, visitors);
    assert.deepEqual(lost, []);
    assert.deepEqual(exits, Array(5).fill("exit 0"));
    assert.ok(done > 50, `${done} requests`);
  });
}

test("a request that comes behind the last answer that was announced is answered, too", async () => {
  const answered: string[] = [];
  const server = http.createServer((request, response) => {
    answered.push(request.url ?? "");
    response.end(request.url);
  });
  const end = drain(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  await once(client, "connect");
  let received = "";
  client.setEncoding("latin1").on("data", (text: string) => {
    received += text;
  });
  const ended = end();
  const closed = once(client, "close");
  client.write("POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  await until("the first answer", () => received.endsWith("/first"));
  assert.match(received, /^connection: close\r$/im);
  client.write("POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  await closed;
  await ended;
  assert.deepEqual(answered, ["/first", "/second"]);
  assert.match(received, /\/second$/);
});
