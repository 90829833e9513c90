import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { file } from "../../properties";

const aclOf = (name: string): string[] =>
  execFileSync("getfacl", ["-cpE", name], { encoding: "utf8" })
    .split("\n")
    .filter((line) => /(user|group):\w/.test(line));

test("hasAcl: entries are set, compared by number, and deleted", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    mkdirSync(`${dir}/d`);
    execFileSync("setfacl", ["-m", "u:mail:r", `${dir}/d`]);
    const acl = file.hasAcl("d", "user:daemon:rw", "g:1:r-x", "default:user:daemon:rwx");
    assert.equal(await apply(acl), "changed");
    assert.deepEqual(aclOf(`${dir}/d`), [
      "user:daemon:rw-",
      "user:mail:r--",
      "group:daemon:r-x",
      "default:user:daemon:rwx",
    ]);
    await applyAgain(acl);
    await applyAgain(file.hasAcl("d", "u:1:rw-"));
    assert.equal(await unapply(acl), "changed");
    assert.equal(await unapply(acl), "unchanged");
    assert.deepEqual(aclOf(`${dir}/d`), ["user:mail:r--"]);
  }));

test("hasAcl: what is refused", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    writeFileSync(`${dir}/f`, "");
    await assert.rejects(apply(file.hasAcl("f", "user:nobody-here:r")), {
      name: "AbortedChange",
      message:
        'there is no user nobody-here on scratch.example.org for the ACL "user:nobody-here:r"; put what creates it before this property',
    });
    await assert.rejects(apply(file.hasAcl("gone", "user:daemon:r")), {
      name: "AbortedChange",
      message:
        "cannot set the ACL of gone: no such file or directory; put what creates it before this property",
    });
    for (const entry of ["user::rw", "ana:rw", "user:ana:wr", "mask::r"])
      assert.throws(() => file.hasAcl("f", entry), {
        name: "InvalidArguments",
        message: `file.hasAcl: args.entries[0] is ${JSON.stringify(entry)}; it must be an entry of an access control list, such as "user:ana:rw", "group:www-data:r-x" or "default:user:ana:rwx"`,
      });
  }));
