import assert from "node:assert/strict";
import test from "node:test";
import { linesView } from "../../../repl/views/lines";
import { mixed, of, unreachable, verbose } from "./_recorded";

function written(events: ReturnType<typeof mixed>): string {
  let text = "";
  const view = linesView({ write: (more) => (text += more) });
  for (const event of events) view.add(event);
  view.settle();
  return text;
}

test("prints a line for each finished step", () => {
  assert.equal(
    written(mixed()),
    `changed   web1.example.org :: nginx is installed 1.2 s
unchanged web1.example.org ::   content of /srv/index.html 1 ms
failed    web1.example.org ::   nginx -t 40 ms
        | nginx: bad config
        | in line 3
          \`nginx -t\` ended with exit code 1: in line 3
          cmd.single, at properties/site.ts:10:5
          at serve (/srv/consfig/properties/site.ts:10:5)
failed    web1.example.org :: the site is served 41 ms
skipped   web1.example.org :: nginx runs (site.served failed)
failed    web1.example.org: 1 changed, 1 unchanged, 1 failed, 1 skipped in 1.3 s
failed step: properties/site.ts:10:5; finished steps are skipped next time
`,
  );
});

test("prints why a host failed", () => {
  assert.equal(
    written(unreachable("b")),
    "          via.ssh(): connection refused; is sshd running there?\nfailed    b: failed in 20 ms\n",
  );
});

test("a failure that another host had too is not repeated", () => {
  assert.match(
    written([...mixed("a"), ...mixed("b"), ...unreachable("c"), ...unreachable("d")]),
    /^failed {4}b :: {3}nginx -t 40 ms\n {10}the same as on a\nfailed {4}b :: the site is served 41 ms\n[\s\S]*\n {10}via\.ssh\(\): connection refused; is sshd running there\?\nfailed {4}c: failed in 20 ms\n {10}the same as on c\nfailed {4}d: failed in 20 ms\n/m,
  );
});

test("prints notices", () => {
  assert.equal(written(of("b", { kind: "notice", text: "no clone here" })), "notice    b :: no clone here\n");
});

test("a verbose deployment shows hops, and the commands and output of each step", () => {
  assert.equal(
    written(verbose()),
    `hop       web1.example.org :: opened via.ssh() in 120 ms
upload    web1.example.org :: sent Node 24, 2.5 MB
hop       web1.example.org :: reusing via.agent()
command   web1.example.org :: › test -e /mark (exit code 1, 2 ms)
unchanged web1.example.org :: nginx is installed 13 ms
        › dpkg -s nginx (exit code 0, 12 ms)
changed   web1.example.org :: waits 1.0 s
        › echo waiting ⏎ sleep 1 (exit code 0, 1.0 s)
        › sleep 60 (interrupted, 5 ms)
        | waiting
changed   web1.example.org: 1 changed, 1 unchanged in 1.3 s
`,
  );
});
