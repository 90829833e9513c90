/** How data is named. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HostModel } from "../../../lib/model/host";

const host = () => HostModel.named("web1");

test("a host's name, or a word that begins with a dash or an underscore, and any text of one line", () => {
  for (const [iden1, iden2] of [
    ["web1.example.com", "/etc/ssl/private/web1.key"],
    ["localhost", "x"],
    ["_app", "a b/c"],
    ["--user-passwd--web1", "root"],
    ["---mine", "1"],
  ] as const)
    host().requireData(iden1, iden2);
});

test("other names are refused", () => {
  const refused = (iden1: string, iden2: string, message: string) =>
    assert.throws(() => host().requireData(iden1, iden2), { name: "InapplicableProperty", message });
  const first = (iden1: string) =>
    `the data (${iden1}, x) needs another first name: that of a host, or one that begins with _ for what only this consfig knows`;
  for (const iden1 of ["a b", "web1..org", "/etc", ".", `${"a".repeat(64)}.org`])
    refused(iden1, "x", first(iden1));
  refused("web1", "", 'data is named by two texts of one line, not by ""');
  refused("web1", "a\nb", 'data is named by two texts of one line, not by "a\\nb"');
});
