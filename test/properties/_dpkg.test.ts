import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Packages,
  parseExtendedStates,
  parseListing,
  parseStatus,
  parseWanted,
} from "../../properties/_dpkg";

const status = `Package: dpkg
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: adduser
Status: install ok installed
Priority: important
Architecture: all
Version: 3.134
Description: add and remove users
 Package: this is not a field

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9

Package: exim4-base
Status: deinstall ok config-files
Architecture: amd64
Version: 4.96

Package: broken
Status: install ok half-configured
Architecture: amd64
Version: 1

Package: held
Status: hold ok installed
Architecture: amd64
Version: 2:1.0-1
`;
const states = `Package: adduser
Architecture: amd64
Auto-Installed: 1

Package: held
Architecture: amd64
Auto-Installed: 0
`;
const packages = new Packages(parseStatus(status), parseExtendedStates(states));

test("the status file and the listing of dpkg-query agree", () => {
  const listing = parseStatus(status)
    .map(({ name, arch, version, status }) => `${name}\t${arch}\t${version}\t${status}\n`)
    .join("");
  assert.deepEqual(parseListing(listing), parseStatus(status));
});

test("a package of architecture all counts as one of the system's architecture", () => {
  assert.deepEqual(packages.get("adduser"), {
    name: "adduser",
    arch: "all",
    version: "3.134",
    status: "installed",
    auto: true,
  });
  assert.equal(packages.get("adduser:amd64"), packages.get("adduser"));
});

test("isInstalled", () => {
  const installed = {
    adduser: true,
    held: true,
    "held=2:1.0-1": true,
    "held=1.0-1": false,
    "held/bookworm-backports": false,
    "exim4-base": false,
    broken: false,
    libc6: false,
    "libc6:i386": true,
    unknown: false,
  };
  const found = Object.keys(installed).map((name) => [name, packages.isInstalled(name)]);
  assert.deepEqual(Object.fromEntries(found), installed);
});

test("a partly installed package is present; configuration alone is not", () => {
  assert.deepEqual(
    ["broken", "exim4-base", "unknown", "held"].map((name) => packages.isPresent(name)),
    [true, false, false, true],
  );
});

test("unconfigured", () => {
  assert.deepEqual(
    packages.unconfigured().map(({ name }) => name),
    ["broken"],
  );
});

test("only packages that apt marked as automatic are automatic", () => {
  assert.equal(packages.get("held")?.auto, false);
  assert.equal(packages.get("libc6:i386")?.auto, false);
});

test("the parts of an argument of apt-get install", () => {
  assert.deepEqual(parseWanted("g++:i386"), { name: "g++:i386" });
  assert.deepEqual(parseWanted("git=1:2.39.5-0+deb12u2"), { name: "git", version: "1:2.39.5-0+deb12u2" });
  assert.deepEqual(parseWanted("git/bookworm-backports"), { name: "git", suite: "bookworm-backports" });
});

test("a suite of backports is recognised by the version", () => {
  const known = new Packages(
    [
      { name: "dpkg", arch: "amd64", version: "1.21.22", status: "installed" },
      { name: "git", arch: "amd64", version: "1:2.45.2-1~bpo12+1", status: "installed" },
    ],
    new Set(["git:amd64"]),
  );
  assert.equal(known.isInstalled("git/bookworm-backports"), true);
  assert.equal(known.isInstalled("git/bullseye-backports"), false);
  assert.equal(known.isInstalled("git/bookworm"), false);
  assert.equal(known.isInstalled("dpkg/bookworm-backports"), false);
  assert.equal(known.after([], ["git/bookworm-backports"]).get("git")?.auto, false);
});
