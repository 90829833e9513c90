import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { file } from "../../properties";

const served: Record<string, string> = { "/shop": "the shop\n", "/shop?v=2&x='": "version 2\n" };
let server: Server;
let requests = 0;
let origin = "";
before(async () => {
  server = createServer(({ url = "" }, response) => {
    requests += 1;
    const body = served[url];
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test("downloaded: only when the file has another checksum", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    const shop = file.downloaded(`${origin}/shop`, {
      to: "a/shop",
      sha256: sha256("the shop\n").toUpperCase(),
      mode: 0o755,
    });
    assert.equal(await apply(shop), "changed");
    assert.equal(readFileSync(`${dir}/a/shop`, "utf8"), "the shop\n");
    assert.equal(lstatSync(`${dir}/a/shop`).mode & 0o7777, 0o755);
    const before = requests;
    await applyAgain(shop);
    assert.equal(
      await apply(file.downloaded(`${origin}/shop`, { to: "a/shop", sha256: sha256("the shop\n") })),
      "changed",
    );
    assert.equal(lstatSync(`${dir}/a/shop`).mode & 0o7777, 0o644);
    assert.equal(requests, before);
    const second = file.downloaded(`${origin}/shop?v=2&x='`, { to: "a/shop", sha256: sha256("version 2\n") });
    assert.equal(await apply(second), "changed");
    assert.equal(readFileSync(`${dir}/a/shop`, "utf8"), "version 2\n");
    assert.equal(await unapply(second), "changed");
    assert.equal(existsSync(`${dir}/a`), false);
  }));

test("downloaded: what has another checksum, or is not there, is not put in place", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    writeFileSync(`${dir}/shop`, "old\n");
    await assert.rejects(apply(file.downloaded(`${origin}/shop`, { to: "shop", sha256: sha256("x") })), {
      name: "AbortedChange",
      message: `${origin}/shop has the SHA-256 ${sha256("the shop\n")}, but ${sha256("x")} is expected, so it was not put in place; find out which of the two is wrong`,
    });
    await assert.rejects(apply(file.downloaded(`${origin}/gone`, { to: "shop", sha256: sha256("x") })), {
      name: "FailedChange",
      message: /^cannot download http:\/\/127\.0\.0\.1:\d+\/gone: .*404/,
    });
    assert.deepEqual(readdirSync(dir), ["shop"]);
    assert.equal(readFileSync(`${dir}/shop`, "utf8"), "old\n");
  }));

test("downloaded: a URL with a password is refused", () => {
  assert.throws(() => file.downloaded("https://a:b@example.org/x", { to: "/x", sha256: sha256("") }), {
    name: "InvalidArguments",
    message:
      'file.downloaded: args.url is "https://a:b@example.org/x"; it must be a URL without a password, such as "https://example.org/shop-1.2.tar.gz"',
  });
});

/** An archive `a.tgz` in `dir` with one directory. */
function pack(dir: string, text: string): void {
  mkdirSync(`${dir}/shop-1/bin`, { recursive: true });
  writeFileSync(`${dir}/shop-1/bin/run`, text, { mode: 0o755 });
  execFileSync("tar", ["-czf", "a.tgz", "--mtime=@0", "--owner=1234", "--group=1234", "shop-1"], {
    cwd: dir,
  });
  execFileSync("rm", ["-r", "shop-1"], { cwd: dir });
}

test("extracted: replaced as a whole when the archive changes", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    pack(dir, "one");
    const shop = file.extracted("a.tgz", "opt/shop", { strip: 1 });
    assert.equal(await apply(shop), "changed");
    assert.equal(readFileSync(`${dir}/opt/shop/bin/run`, "utf8"), "one");
    assert.equal(lstatSync(`${dir}/opt/shop/bin/run`).mode & 0o7777, 0o755);
    assert.equal(lstatSync(`${dir}/opt/shop/bin/run`).uid, process.getuid?.());
    assert.equal(lstatSync(`${dir}/opt/shop`).mode & 0o7777, 0o755);
    await applyAgain(shop);
    writeFileSync(`${dir}/opt/shop/old`, "");
    pack(dir, "two");
    assert.equal(await apply(shop), "changed");
    assert.deepEqual(readdirSync(`${dir}/opt/shop`), ["bin"]);
    assert.equal(readFileSync(`${dir}/opt/shop/bin/run`, "utf8"), "two");
    assert.equal(await apply(file.extracted("a.tgz", "opt/shop")), "changed");
    assert.deepEqual(readdirSync(`${dir}/opt/shop`), ["shop-1"]);
    assert.equal(await unapply(file.extracted("a.tgz", "opt/shop")), "changed");
    assert.equal(existsSync(`${dir}/opt`), false);
    execFileSync("rm", ["a.tgz"], { cwd: dir });
  }));

test("extracted: what is refused", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    await assert.rejects(apply(file.extracted("gone.tgz", "shop")), {
      name: "AbortedChange",
      message:
        "there is no file gone.tgz on scratch.example.org; put what brings it, such as file.downloaded, before this property",
    });
    writeFileSync(`${dir}/broken.tgz`, "x");
    await assert.rejects(apply(file.extracted("broken.tgz", "shop")), {
      name: "FailedChange",
      message: /^cannot extract broken\.tgz: /,
    });
    assert.equal(existsSync(`${dir}/shop`), false);
    mkdirSync(`${dir}/shop`);
    writeFileSync(`${dir}/shop/own`, "");
    await assert.rejects(apply(file.extracted("broken.tgz", "shop")), {
      name: "AbortedChange",
      message:
        "shop is not empty, and this property has not made it, so it is not replaced; give another directory, or delete it with file.directoryDoesNotExist",
    });
    assert.deepEqual(readdirSync(dir).sort(), ["broken.tgz", "shop"]);
  }));
