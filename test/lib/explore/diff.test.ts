import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { diff } from "../../../lib/explore/diff";
import { locatedRows } from "../../../lib/explore/rows";
import { defhost } from "../../../lib/model/host";
import type { Row } from "../../../lib/model/rows";
import * as via from "../../../lib/via";

const rows = (host: string, ...all: readonly Row[]) => locatedRows([{ host, rows: all }], []);

test("rows are compared by their names, column by column, without what always differs", async () => {
  const one = rows(
    "web1",
    { name: "a", version: "1", pid: 3 },
    { name: "b", version: "1", pid: 4 },
    { name: "same", version: "1", pid: 1 },
  );
  const other = rows(
    "web2",
    { name: "a", version: "2", pid: 5 },
    { name: "c", version: "1", pid: 6 },
    { name: "same", version: "1", pid: 2 },
  );
  assert.deepEqual(
    [...(await diff(one, other))],
    [
      { of: "a", column: "version", web1: "1", web2: "2" },
      { of: "b", column: null, web1: "present", web2: null },
      { of: "c", column: null, web1: null, web2: "present" },
    ],
  );
});

test("the columns that belong together can be named", async () => {
  const [one, other] = ["tcp", "udp"].map((protocol) => rows("web1", { port: 53, protocol, program: "a" }));
  const found = await diff(one as never, other as never, { by: ["port", "protocol"] });
  assert.equal(
    inspect(found),
    "of      column  one      other\n53 tcp          present\n53 udp                   present",
  );
  await assert.rejects(async () => diff(rows("a", { x: 1 }), rows("b", { x: 1 })), {
    name: "InvalidArguments",
    message:
      "diff: the rows have none of the columns name, path, place, destination, port; say which belong together with { by: […] }",
  });
});

test("a host that has not answered is the error", async () => {
  const lost = locatedRows<Row>([], [{ host: "web2", message: "gone" }]);
  assert.equal(inspect(await diff(rows("web1", { name: "a" }), lost)), "web2: gone");
});

test("two hosts are compared in what they have", async () => {
  const [one, other] = ["web1.example.org", "web2.example.org"].map((name) =>
    defhost(name, { deploy: [via.local()] }),
  );
  assert.deepEqual([...(await diff(one as never, other as never))], [], "both are this machine");
});
