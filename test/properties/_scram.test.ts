import assert from "node:assert/strict";
import { test } from "node:test";
import { verifier } from "../../properties/_scram";

test("the verifier of the example of RFC 7677, as PostgreSQL keeps it", () => {
  assert.equal(
    verifier("pencil", "W22ZaJ0SNY7soEsUEjb6gQ=="),
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
  );
});
