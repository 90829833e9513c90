import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { loginCommand } from "../../../../lib/connection/ssh/_login";

test("a command is one word, with characters special to csh and fish outside the quotes", () => {
  assert.equal(loginCommand("echo hi"), `sh -c 'exec sh -c "$1"' sh 'echo hi'`);
  assert.equal(loginCommand("a!b'c\\d"), `sh -c 'exec sh -c "$1"' sh 'a'\\!'b'\\''c'\\\\'d'`);
});

test("newlines, which csh does not allow in quotes, are restored by printf", () => {
  assert.equal(loginCommand("a\nb\\n"), `sh -c 'exec sh -c "$(printf %b "$1")"' sh 'a'\\\\'nb'\\\\''\\\\'n'`);
});

const hard = `printf '%s\\n' "\\\\ \\$x !! !x" 'it'"'"'s' '%b %s \\n \\0101' '~ * ? [!a] {a,b} # & ; | < > ( )'`;
const expected = "\\ $x !! !x\nit's\n%b %s \\n \\0101\n~ * ? [!a] {a,b} # & ; | < > ( )\n";

for (const shell of ["sh", "bash"]) {
  test(`${shell} passes it on unchanged`, () => {
    assert.equal(execFileSync(shell, ["-c", loginCommand(hard)], { encoding: "utf8" }), expected);
    const lines = `${hard}\ncat <<E\nin \\\\ here\nE\n# the end\n`;
    assert.equal(
      execFileSync(shell, ["-c", loginCommand(lines)], { encoding: "utf8" }),
      `${expected}in \\ here\n`,
    );
  });
}

test("a frame wraps it", () => {
  const line = loginCommand("exit 3\n", (run) => `${run}; echo "ended with $?"`);
  assert.equal(execFileSync("sh", ["-c", line], { encoding: "utf8" }), "ended with 3\n");
});
