/** `.forget`: what was typed and fetched in a session. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { passwordFrom } from "../../../lib/connection/passwords";
import { deployThese } from "../../../lib/controller/deploy";
import { forgetSecrets } from "../../../lib/controller/forget";
import { session } from "../../../lib/controller/session";
import { getData } from "../../../lib/data/lookup";
import { registerDataSource } from "../../../lib/data/register";
import { dataSources } from "../../../lib/model/data-source";
import { hosts } from "../../../lib/model/host";
import * as via from "../../../lib/via";
import { consfigWith, run } from "../../repl/_consfig";
import * as toy from "../../support/toy";
import { answering } from "../connection/_sshd";

after(() => {
  dataSources.restore(new Map());
  hosts.restore(new Map());
  session.ask = undefined;
});

test("passwords are asked for again, and data is fetched again", async () => {
  const { ask, asked } = answering({ secrets: ["first", "second"] });
  session.ask = ask;
  let fetched = 0;
  registerDataSource({ name: "counting", version: () => 1, get: () => `${++fetched}` });
  const use = async () => [
    (await passwordFrom(ask, { hop: "sudo", host: "web1", account: "ana" }, new AbortController().signal))
      ?.password,
    String(await getData("_a", "b", false, { ask })),
  ];
  assert.deepEqual(
    [await use(), await use()],
    [
      ["first", "1"],
      ["first", "1"],
    ],
  );
  assert.deepEqual(await forgetSecrets(), { passwords: 1, data: 1 });
  assert.deepEqual(await use(), ["second", "2"]);
  assert.equal(asked.length, 2);
  assert.deepEqual(await forgetSecrets(), { passwords: 1, data: 1 });
  assert.deepEqual(await forgetSecrets(), { passwords: 0, data: 0 });
});

test("nothing is forgotten while something is deployed", async () => {
  const deployment = deployThese("web1", via.local(), toy.rests("holds"));
  await assert.rejects(forgetSecrets(), {
    name: "ConsfigError",
    message: "nothing was forgotten: web1 is being deployed; wait for the end, or cancel",
  });
  await deployment;
  await forgetSecrets();
});

test(".forget says how much it was", async (t) => {
  const { root, env } = consfigWith(t);
  const { code, stdout } = await run(["--consfig", root], { env, input: ".forget\n" });
  assert.deepEqual([code, stdout], [0, "forgot 0 passwords and 0 data\n"]);
});
