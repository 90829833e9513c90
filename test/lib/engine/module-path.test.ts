import assert from "node:assert/strict";
import { test } from "node:test";
import { moduleFrom } from "../../../lib/engine/module-path";

test("a module is relative to the file that says it, or stands from the consfig's directory on", () => {
  const cases: readonly (readonly [said: string, site: string, found: string])[] = [
    ["../services/cool", "hosts/web.ts:3:4", "/services/cool"],
    ["./cool", "hosts/shop/web.ts:3:4", "/hosts/shop/cool"],
    ["./cool", "web.repl:3:4", "/cool"],
    ["./services/cool", "prompt[7]:1:1", "/services/cool"],
    ["./services/cool", "", "/services/cool"],
    ["/services/../cool", "/elsewhere/web.ts:3:4", "/cool"],
  ];
  for (const [said, site, found] of cases) assert.equal(moduleFrom(said, site), found, `${said} at ${site}`);
});

test("one that is outside of the consfig is refused", () => {
  assert.throws(() => moduleFrom("../../cool", "hosts/web.ts:3:4"), {
    name: "InapplicableProperty",
    message:
      '"../../cool" is outside of the consfig, so it cannot travel to a host; move it below the consfig\'s directory',
  });
  assert.throws(() => moduleFrom("./cool", "/elsewhere/web.ts:3:4"), {
    name: "InapplicableProperty",
    message:
      '"./cool" is relative to /elsewhere/web.ts, which is outside of the consfig; name the module from the consfig\'s directory on, with / in front',
  });
});
