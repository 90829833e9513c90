import assert from "node:assert/strict";
import { test } from "node:test";
import { sshConfig } from "../../../../lib/connection/ssh/_config";

test("an address with a percent sign, as of a link-local network, is taken as it is", async () => {
  const destination = { name: "web1.example.org", hop: "fe80::1%eth0", config: "none" };
  const { address } = await sshConfig(destination, "via.ssh()", new AbortController().signal);
  assert.equal(address, "fe80::1%eth0");
});
