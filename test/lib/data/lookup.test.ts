/** Which source a datum comes from, when it is fetched, and what is said when there is none. */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { availability, getData } from "../../../lib/data/lookup";
import { registerDataSource } from "../../../lib/data/register";
import { type DataSource, dataSources, type Version } from "../../../lib/model/data-source";

const nobody = { ask: undefined };
afterEach(() => dataSources.restore(new Map()));

/** A source that has each of `data`, by first name, with its version. */
function source(name: string, data: Record<string, Version>, more: Partial<DataSource> = {}) {
  const fetched: string[] = [];
  registerDataSource({
    name,
    version: (iden1) => data[iden1],
    get: (iden1) => {
      fetched.push(iden1);
      return `${iden1} of ${name}`;
    },
    ...more,
  });
  return fetched;
}

const text = async (iden1: string, planning = false): Promise<string> =>
  (await getData(iden1, "x", planning, nobody)).toString();

describe("a datum comes from", () => {
  test("the source with the newest version, and of those the one registered last", async () => {
    source("one", { _a: 3, _b: "1.10", _c: 5 });
    source("two", { _a: 2, _b: "1.9.9", _c: "5.0" });
    assert.deepEqual(await Promise.all(["_a", "_b", "_c"].map((each) => text(each))), [
      "_a of one",
      "_b of one",
      "_c of two",
    ]);
  });

  test("memory, while its version stands and its source has it", async () => {
    const versions: Record<string, Version> = { _memory: 1 };
    const fetched = source("one", versions);
    await text("_memory");
    await text("_memory");
    versions["_memory"] = 2;
    await text("_memory");
    const other = source("two", { _memory: 3 });
    await text("_memory");
    assert.deepEqual([fetched, other], [["_memory", "_memory"], ["_memory"]]);
  });

  test("one look-up, when hosts ask for it at once", async () => {
    const waiting = Promise.withResolvers<string>();
    let times = 0;
    source(
      "slow",
      { _slow: 1 },
      {
        get: () => {
          times += 1;
          return waiting.promise;
        },
      },
    );
    const both = Promise.all([text("_slow"), text("_slow")]);
    waiting.resolve("at last");
    assert.deepEqual(await both, ["at last", "at last"]);
    assert.equal(times, 1);
  });
});

test("a plan fetches from sources that ask nobody, and what was fetched before", async () => {
  source("quick", { _quick: 1 });
  source("source.pass()", { _pass: 1 }, { asks: true });
  assert.equal(await text("_quick", true), "_quick of quick");
  await assert.rejects(text("_pass", true), {
    name: "NotFetched",
    message: "a plan does not get (_pass, x) from source.pass(), because that may ask you",
  });
  await text("_pass");
  assert.equal(await text("_pass", true), "_pass of source.pass()");
});

describe("when no source has a datum", () => {
  test("and none is registered", async () => {
    const message =
      "no data source has (_a, x): none is registered; write registerDataSource(source.pass()), or another source, in the consfig";
    assert.equal(await availability(["_a", "x"]), message);
    await assert.rejects(text("_a"), { name: "MissingData", message });
  });

  test("each says why, and what to do", async () => {
    source("one", {}, { hint: (iden1, iden2) => `\`pass insert ${iden1}/${iden2}\` adds it` });
    source("two", {});
    source("three", {}, { version: () => Promise.reject(new Error("there is no directory /x")) });
    assert.equal(
      await availability(["_a", "x"]),
      "no data source has (_a, x); one: `pass insert _a/x` adds it; two does not have it; three: there is no directory /x",
    );
  });

  test("a source that cannot give what it has is named", async () => {
    source("one", { _broken: 1 }, { get: () => Promise.reject(new Error("no pinentry")) });
    assert.deepEqual(await availability(["_broken", "x"]), { datum: ["_broken", "x"], source: "one" });
    await assert.rejects(text("_broken"), {
      name: "MissingData",
      message: "cannot get (_broken, x) from one: no pinentry",
    });
  });
});

test("what is no source is refused where it is registered", () => {
  assert.throws(() => registerDataSource({ name: "half" } as unknown as DataSource), {
    name: "InvalidArguments",
    message:
      "registerDataSource: expected sources, such as source.pass(), or objects with name, version and get",
  });
});
