import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { execWord, unitText, unitWord } from "../../properties/_unitText";
import { bootMachine, type Machine, needsMachines } from "../support/machines";

test("a word that means itself stays as it is", () => {
  assert.equal(execWord("/usr/bin/shop-1.0"), "/usr/bin/shop-1.0");
  assert.equal(execWord("50%"), "50%%");
});

describe("what systemd reads", needsMachines(), () => {
  let machine: Machine;
  before(async () => {
    machine = await bootMachine();
  });
  after(() => machine?.stop());

  test("is what was written", async () => {
    const words = [
      "plain",
      "a b",
      "q\"u'o",
      "100%n",
      "$HOME",
      "${HOME} x",
      "back\\slash",
      ";",
      "two\nlines",
      "",
    ];
    const unit = [
      "[Unit]",
      `Description=${unitText("100%n")}`,
      "[Service]",
      "Type=oneshot",
      `Environment=${unitWord('GREETING=a "b" %n \\')}`,
      `ExecStart=${["/bin/sh", "-c", 'printf "[%s]" "$@" "$GREETING" >/run/words', "sh", ...words].map(execWord).join(" ")}`,
    ];
    await machine.run(
      "cat >/run/systemd/system/words.service; systemctl daemon-reload; systemctl start words",
      {
        input: `${unit.join("\n")}\n`,
      },
    );
    assert.equal(
      await machine.run("cat /run/words"),
      [...words, 'a "b" %n \\'].map((word) => `[${word}]`).join(""),
    );
    assert.equal((await machine.run("systemctl show -P Description words")).trim(), "100%n");
  });
});
