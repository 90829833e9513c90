import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { callSite, PROMPT, Site, setSiteRoot } from "../../../lib/model/site";

const own = path.relative(process.cwd(), __filename);
const asked = () => callSite();
const askedFromHelper = () => callSite(1);

test("callSite is the line that called its caller, in the original source", () => {
  const site = asked(); // line 11
  assert.equal(String(site), `${own}:11:16`);
  assert.equal(site.file, __filename);
  assert.equal(site.atPrompt, false);
});

test("callSite can skip frames in between", () => {
  const helper = () => askedFromHelper();
  const site = helper(); // line 19
  assert.equal(String(site), `${own}:19:16`);
});

test("a site prints relative to the consfig, in JSON too, and as an absolute path outside it", (t) => {
  t.after(() => setSiteRoot(process.cwd()));
  setSiteRoot("/srv/consfig");
  assert.equal(String(new Site("/srv/consfig/hosts/web.ts", 3, 7)), "hosts/web.ts:3:7");
  assert.equal(JSON.stringify({ at: new Site("/srv/other/a.ts", 1, 2) }), '{"at":"/srv/other/a.ts:1:2"}');
});

test("a line of the prompt is named by its number", () => {
  const site = new Site(`${PROMPT}://12`, 1, 5);
  assert.equal(site.atPrompt, true);
  assert.equal(String(site), "prompt[12]:1:5");
});
