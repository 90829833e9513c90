import assert from "node:assert/strict";
import test from "node:test";
import { linesView } from "../../../repl/views/lines";
import { mixed, of, unreachable } from "./_recorded";

function written(events: ReturnType<typeof mixed>): string {
  let text = "";
  const view = linesView({ write: (more) => (text += more) });
  for (const event of events) view.add(event);
  view.settle();
  return text;
}

test("a line for each step as it ends", () => {
  assert.equal(
    written(mixed()),
    `changed   web1.example.org :: nginx is installed 1.2 s
unchanged web1.example.org ::   /srv/index.html has its content 1 ms
failed    web1.example.org ::   nginx -t 40 ms
        | nginx: bad config
        | in line 3
          \`nginx -t\` ended with exit code 1: in line 3
          cmd.single, said at properties/site.ts:10:5
          at serve (/srv/consfig/properties/site.ts:10:5)
failed    web1.example.org :: the site is served 41 ms
skipped   web1.example.org :: nginx runs (site.served failed)
failed    web1.example.org: 1 changed, 1 unchanged, 1 failed, 1 skipped in 1.3 s
what failed was said at properties/site.ts:10:5; the steps that hold already will not be done again
`,
  );
});

test("why a host was given up", () => {
  assert.equal(
    written(unreachable("b")),
    "          via.ssh(): connection refused; is sshd running there?\nfailed    b: failed in 20 ms\n",
  );
});

test("notices", () => {
  assert.equal(written(of("b", { kind: "notice", text: "no clone here" })), "notice    b :: no clone here\n");
});
