import assert from "node:assert/strict";
import { test } from "node:test";
import { moduleFrom } from "../../../lib/engine/module-path";

test("a module path is relative to the file that uses it, or to the consfig's directory", () => {
  const cases: readonly (readonly [module: string, site: string, found: string])[] = [
    ["../services/cool", "hosts/web.ts:3:4", "/services/cool"],
    ["./cool", "hosts/shop/web.ts:3:4", "/hosts/shop/cool"],
    ["./cool", "web.repl:3:4", "/cool"],
    ["./services/cool", "prompt[7]:1:1", "/services/cool"],
    ["./services/cool", "", "/services/cool"],
    ["/services/../cool", "/elsewhere/web.ts:3:4", "/cool"],
  ];
  for (const [module, site, found] of cases)
    assert.equal(moduleFrom(module, site), found, `${module} at ${site}`);
});

test("a module outside the consfig is refused", () => {
  assert.throws(() => moduleFrom("../../cool", "hosts/web.ts:3:4"), {
    name: "InapplicableProperty",
    message:
      '"../../cool" is outside the consfig, so it cannot be sent to a host; move it into the consfig\'s directory',
  });
  assert.throws(() => moduleFrom("./cool", "/elsewhere/web.ts:3:4"), {
    name: "InapplicableProperty",
    message:
      '"./cool" is relative to /elsewhere/web.ts, which is outside the consfig; write its path from the consfig\'s directory, starting with /',
  });
});
