import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionsIn } from "../../properties/_sshTrial";

test("the connections of sshd, each peer once, as ss prints them", () => {
  const printed = [
    '0      0      192.0.2.2:22          192.0.2.1:51234 users:(("sshd",pid=12,fd=4))',
    '0      0      192.0.2.2:22          192.0.2.1:51299 users:(("sshd-session",pid=19,fd=4),("sshd",pid=12,fd=4))',
    '0      0      [::ffff:192.0.2.2]:2222 [::ffff:192.0.2.9]:1 users:(("dropbear",pid=12,fd=4))',
    '0      0      [2001:db8::2]:22      [2001:db8::1]:5 users:(("sshd",pid=12,fd=4))',
    '0      0      [fe80::2]%eth0:22     [fe80::1]%eth0:5 users:(("sshd",pid=12,fd=4))',
    '0      0      192.0.2.2:40222       192.0.2.7:443 users:(("curl",pid=13,fd=5))',
    "0      0      192.0.2.2:22          192.0.2.5:443",
    "",
  ];
  assert.deepEqual(connectionsIn(printed.join("\n")), [
    { own: "192.0.2.2", port: 22, peer: "192.0.2.1" },
    { own: "192.0.2.2", port: 2222, peer: "192.0.2.9" },
    { own: "2001:db8::2", port: 22, peer: "2001:db8::1" },
  ]);
});
