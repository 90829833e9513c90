import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type DelayProxy, delayProxy } from "./proxy";

describe("delayProxy", () => {
  const echo = net.createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  let to: { host: string; port: number };
  before(async () => {
    echo.listen(0, "127.0.0.1");
    await once(echo, "listening");
    to = { host: "127.0.0.1", port: (echo.address() as net.AddressInfo).port };
  });
  after(() => echo.close());

  async function connect(proxy: DelayProxy): Promise<net.Socket> {
    const socket = net.connect({ host: proxy.host, port: proxy.port, noDelay: true });
    await once(socket, "connect");
    return socket;
  }

  async function answer(socket: net.Socket, text: string): Promise<number> {
    const start = performance.now();
    socket.write(text);
    assert.equal(String((await once(socket, "data"))[0]), text);
    return performance.now() - start;
  }

  test("delays a round trip by the given time, and counts its bytes", async () => {
    await using proxy = await delayProxy({ to, roundTripMs: 600 });
    const socket = await connect(proxy);
    const took = await answer(socket, "hello");
    // Timers may fire up to a millisecond early.
    assert.ok(took > 598, `${took} ms`);
    assert.deepEqual(proxy.bytes, { up: 5, down: 5 });
    assert.equal(proxy.connections, 1);
    proxy.reset();
    assert.deepEqual(proxy.bytes, { up: 0, down: 0 });
    proxy.setRoundTrip(0);
    assert.ok((await answer(socket, "again")) < 600);
    socket.destroy();
  });

  test("delivers large data in order, and the end last", async () => {
    await using proxy = await delayProxy({ to, roundTripMs: 20 });
    const socket = await connect(proxy);
    const sent = Buffer.alloc(3_000_000, "0123456789");
    socket.end(sent);
    const received = Buffer.concat(await socket.toArray());
    assert.ok(received.equals(sent));
    assert.deepEqual(proxy.bytes, { up: sent.length, down: sent.length });
  });

  test("lets so many bits pass in a second, over all connections", async () => {
    await using proxy = await delayProxy({ to, bitsPerSecond: 8_000_000 });
    const sent = Buffer.alloc(200_000, "0123456789");
    const start = performance.now();
    const sockets = [await connect(proxy), await connect(proxy)];
    for (const socket of sockets) socket.end(sent);
    for (const socket of sockets) assert.ok(Buffer.concat(await socket.toArray()).equals(sent));
    const took = performance.now() - start;
    assert.ok(took > 398, `${took} ms`);
  });

  test("cuts connections, refuses or ignores new ones, and is restored", async () => {
    await using proxy = await delayProxy({ to });
    const socket = await connect(proxy);
    await answer(socket, "hello");
    proxy.cut("refuse");
    const [error] = await once(socket, "error");
    assert.equal(error.code, "ECONNRESET");
    const refused = net.connect(proxy.port, proxy.host);
    const [refusal] = await once(refused, "error");
    assert.equal(refusal.code, "ECONNRESET");

    proxy.cut("blackhole");
    const ignored = await connect(proxy);
    ignored.write("anybody?");
    assert.equal(await Promise.race([once(ignored, "data"), pause(50, "silence")]), "silence");

    proxy.restore();
    const again = await connect(proxy);
    await answer(again, "back");
    again.destroy();
    ignored.destroy();
  });

  test("can hold data back without breaking connections", async () => {
    await using proxy = await delayProxy({ to });
    const socket = await connect(proxy);
    await answer(socket, "hello");
    proxy.freeze();
    const answered = answer(socket, "later");
    assert.equal(await Promise.race([answered, pause(50, "silence")]), "silence");
    proxy.restore();
    await answered;
    socket.destroy();
  });

  test("closes the connection when the other end does", async () => {
    const closing = net.createServer((socket) => socket.end("bye"));
    closing.listen(0, "127.0.0.1");
    await once(closing, "listening");
    await using proxy = await delayProxy({
      to: { ...to, port: (closing.address() as net.AddressInfo).port },
    });
    const socket = await connect(proxy);
    assert.equal(Buffer.concat(await socket.toArray()).toString(), "bye");
    closing.close();
  });
});
