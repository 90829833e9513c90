import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { prepare } from "../../lib/engine/prepare";
import { shared } from "../../lib/model/host";
import { file } from "../../properties";
import { scratchConfig } from "./_scratchConfig";

test("hasTemplate: rendered, and rendered anew when the template has changed", (t) => {
  const root = scratchConfig(t, { "templates/shop": "port <%= it.port %>\n" });
  return onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    writeFileSync(path.join(root, "templates/shop"), "port <%= it.port %>\n");
    const shop = file.hasTemplate("a/shop", "templates/shop", { port: 8080 }, { mode: 0o640 });
    assert.equal(await apply(shop), "changed");
    assert.equal(readFileSync(`${dir}/a/shop`, "utf8"), "port 8080\n");
    assert.equal(statSync(`${dir}/a/shop`).mode & 0o7777, 0o640);
    await applyAgain(shop);
    writeFileSync(path.join(root, "templates/shop"), "Port <%= it.port %>\n");
    assert.equal(await apply(shop), "changed");
    assert.equal(readFileSync(`${dir}/a/shop`, "utf8"), "Port 8080\n");
    const checked = (port: number) =>
      file.hasTemplate("a/shop", "templates/shop", { port }, { validate: "grep -q 8080 %s" });
    await applyAgain(checked(8080));
    await assert.rejects(apply(checked(1)), {
      name: "AbortedChange",
      message: /^`grep -q 8080 %s` refuses the new content of a\/shop, so it was not written; correct it:\n/,
    });
  });
});

test("hasTemplate: what cannot be rendered is refused before connecting, at the line of the template", (t) => {
  scratchConfig(t, { "templates/shop": "a\nport <%= it.prot %>\n" });
  assert.throws(
    () => prepare({ name: "web1" }, file.hasTemplate("/etc/shop", "templates/shop", { port: 1 })),
    {
      name: "Refused",
      message: /templates\/shop:2: there is no value "it\.prot"; did you mean "it\.port"\?$/,
    },
  );
  const data = { token: ["_shop", "token"] } as const;
  assert.throws(
    () =>
      prepare(
        { name: "web1" },
        file.hasTemplate("/etc/shop", "templates/shop", {}, { data, validate: "true %s" }),
      ),
    { message: /what a checker prints could show the data; leave out validate, or the data$/ },
  );
  assert.throws(() => file.hasTemplate("/x", "t", {}, { data: { token: ["_shop"] as never } }), {
    name: "InvalidArguments",
    message: "file.hasTemplate: args.data.token has 1 items; it must have at least 2",
  });
});

test("hasTemplate: the host requires the data of the template", (t) => {
  scratchConfig(t, { "templates/shop": "password <%= it.password %>\n" });
  const { model } = prepare(
    { name: "web1" },
    file.hasTemplate("/etc/shop", "templates/shop", {}, { data: { password: ["_shop", "db"] } }),
  );
  assert.deepEqual(model.all(shared.data), [["_shop", "db"]]);
});
