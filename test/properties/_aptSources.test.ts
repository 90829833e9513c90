import assert from "node:assert/strict";
import { test } from "node:test";
import { conflictsWith, debianSources } from "../../properties/_aptSources";

const mirrors = ["http://deb.debian.org/debian"];
const ours = debianSources({ suite: "bookworm", stable: true, testing: false, mirrors, additional: [] });

test("a stable release has updates, backports and security fixes", () => {
  assert.equal(
    ours,
    `Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib non-free-firmware non-free
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://security.debian.org/debian-security
Suites: bookworm-security
Components: main contrib non-free-firmware non-free
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`,
  );
});

const suites = (text: string) => [...text.matchAll(/^Suites:(.*(?:\n .*)*)/gm)].map(([, found]) => found);

test("an old release has its security fixes under another name, and no backports", () => {
  const text = debianSources({ suite: "buster", stable: true, testing: false, mirrors, additional: [] });
  assert.deepEqual(suites(text), [" buster buster-updates", " buster/updates"]);
  const bullseye = debianSources({
    suite: "bullseye",
    stable: true,
    testing: false,
    mirrors,
    additional: [],
  });
  assert.deepEqual(suites(bullseye), [" bullseye bullseye-updates", " bullseye-security"]);
});

test("testing has security fixes, unstable has not", () => {
  const testing = debianSources({ suite: "testing", stable: false, testing: true, mirrors, additional: [] });
  assert.deepEqual(suites(testing), [" testing", " testing-security"]);
  const unstable = debianSources({
    suite: "unstable",
    stable: false,
    testing: false,
    mirrors,
    additional: [],
  });
  assert.deepEqual(suites(unstable), [" unstable"]);
});

test("additional suites are listed in their section, once, and one per line if there are many", () => {
  const additional = ["bookworm-proposed-updates", "trixie", "trixie-security", "bookworm-updates"];
  const text = debianSources({ suite: "bookworm", stable: true, testing: false, mirrors, additional });
  assert.deepEqual(suites(text), [
    "\n bookworm\n bookworm-updates\n bookworm-backports\n bookworm-proposed-updates\n trixie",
    " bookworm-security trixie-security",
  ]);
});

test("which sources conflict with ours", () => {
  const conflicting = {
    "deb http://deb.debian.org/debian bookworm main\n": true,
    "deb [signed-by=/k.gpg arch=amd64] https://deb.debian.org/debian/ bookworm-updates main\n": true,
    "# deb http://deb.debian.org/debian bookworm main\n": false,
    "deb http://deb.debian.org/debian trixie main\n": false,
    "deb https://packages.example.org/debian bookworm main\n": false,
    "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: sid\n bookworm\nComponents: main\n": true,
    "Types: deb\nEnabled: no\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n": false,
  };
  const found = Object.keys(conflicting).map((text) => [text, conflictsWith(text, ours)]);
  assert.deepEqual(Object.fromEntries(found), conflicting);
});
