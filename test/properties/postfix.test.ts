import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as file from "../../properties/file";
import * as os from "../../properties/os";
import * as postfix from "../../properties/postfix";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import {
  bootSides,
  holds,
  holdsAfterwards,
  isUndone,
  type Side,
  type Sides,
  succeeds,
} from "../support/sides";
import { until } from "../support/until";

test("what is no parameter, and a table without a file, are refused", () => {
  assert.throws(() => postfix.mainConfigured("my host", "a"), {
    name: "InvalidArguments",
    message:
      'postfix.mainConfigured: args.pairs[0][0] is "my host"; it must be a parameter of Postfix, such as "myhostname"',
  });
  assert.throws(() => postfix.mappedFile(file.hasContent("virtual", "")), {
    name: "InvalidArguments",
    message:
      'postfix.mappedFile: the arguments of file.hasContent name no absolute path; give it with { file: "/etc/postfix/virtual" }',
  });
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), postfix.mainConfigured("myhostname", "a"))),
    /: it needs a debianlike system, but web1 runs linux$/,
  );
});

describe("postfix on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  /** What changes by itself, and tables, which have the order of a hash. */
  const except = ["/etc/ssl", "/var/spool/postfix", "/var/lib/postfix", "/var/mail", "/etc/aliases.db"];
  const afterwards = (side: Side, application: PropApp) => holdsAfterwards(side, application, { except });
  const still = (side: Side, application: PropApp) => holds(side, application, { except });
  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("installed", { timeout: 5 * 60_000 }, () =>
    sides.both((side) => afterwards(side, postfix.installed()).then(() => {}), { except }),
  );

  test("mainConfigured: values that went on in further lines are replaced as a whole", () =>
    sides.both(
      async (side) => {
        await side.machine.run(
          "sed -i 's/^mydestination = .*/mydestination = a.example,\\n  b.example/' /etc/postfix/main.cf",
        );
        const settings = {
          myhostname: "mail.example.org",
          mydestination: "$myhostname, localhost",
          inet_interfaces: "loopback-only",
          virtual_alias_domains: "example.net",
          virtual_alias_maps: "hash:/etc/postfix/virtual",
        };
        await afterwards(side, postfix.mainConfigured(settings));
        assert.equal(
          await side.machine.run("postconf -h mydestination inet_interfaces"),
          "$myhostname, localhost\nloopback-only\n",
        );
        assert.match(await side.machine.run("ss -Hlnt sport = 25"), /127\.0\.0\.1:25 /);
        assert.doesNotMatch(await side.machine.run("ss -Hlnt sport = 25"), / (0\.0\.0\.0|\*):25 /);
        const { commands } = await still(side, postfix.mainConfigured(settings));
        if (side.kind === "agent") assert.deepEqual(commands, []);
        const [message = ""] = await messages(side, postfix.mainConfigured("myhostname", "${unclosed"));
        assert.ok(
          message.startsWith(
            "AbortedChange: Postfix refuses the new content of /etc/postfix/main.cf, so it was not written; correct it:\n",
          ),
          message,
        );
        assert.equal(await side.machine.run("postconf -h myhostname"), "mail.example.org\n");
      },
      { except },
    ));

  test("a mail is delivered by a table, which is made anew when it is missing or older", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const table = (...lines: string[]) =>
          postfix.mappedFile(file.existsWithContent("/etc/postfix/virtual", lines));
        await afterwards(side, table("sales@example.net plain"));
        await machine.run("printf 'Subject: one\\n\\nhello\\n' | sendmail sales@example.net");
        const mail = async () => (await machine.exec("cat /var/mail/plain")).stdout;
        await until("the mail is delivered", async () => (await mail()).includes("hello"));
        assert.match(await mail(), /^X-Original-To: sales@example\.net$/m);

        await afterwards(side, table("sales@example.net plain", "post@example.net plain"));
        assert.equal(await machine.run("postmap -q post@example.net hash:/etc/postfix/virtual"), "plain\n");
        await machine.run("rm /etc/postfix/virtual.db");
        await afterwards(side, table("sales@example.net plain", "post@example.net plain"));
        await machine.run("touch -d '1 hour' /etc/postfix/virtual; touch -d '2 hours' /etc/postfix/virtual");
        assert.deepEqual((await succeeds(side.apply(postfix.reloaded()))).change, "changed");
        await machine.run("touch -d '1 hour ago' /etc/postfix/virtual.db; touch /etc/postfix/virtual");
        await afterwards(side, table("sales@example.net plain", "post@example.net plain"));
        await isUndone(side, table("sales@example.net plain"));
        assert.equal(await machine.run("ls /etc/postfix/virtual* || true"), "");
      },
      { except },
    ));

  test("aliases, and the directory for a socket", () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(
          side,
          postfix.mappedFile(file.containsLines("/etc/aliases", "webmaster: plain")),
        );
        assert.equal(await side.machine.run("postalias -q webmaster hash:/etc/aliases"), "plain\n");
        await afterwards(side, postfix.daemonSocketDirectory("plain", "plain", "milter"));
        assert.equal(
          await side.machine.run("stat -c '%U:%G %a' /var/spool/postfix/milter; id -nG postfix"),
          "plain:plain 750\npostfix plain\n",
        );
      },
      { except },
    ));
});
