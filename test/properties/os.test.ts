import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seqprops } from "../../lib/combinators";
import { type PreparedHost, prepare } from "../../lib/engine/prepare";
import { InvalidArguments, Refused } from "../../lib/model/errors";
import { defhost, HostModel } from "../../lib/model/host";
import { defprop, type MaybePropApp, type PropApp } from "../../lib/model/property";
import { object } from "../../lib/model/schema";
import * as os from "../../properties/os";

const name = "web1.example.org";
const prepared = (...applications: MaybePropApp[]): PreparedHost =>
  prepare({ name }, seqprops(...applications));
/** The applied properties, except those that choose. */
const chosen = ({ application }: PreparedHost): string[] => {
  const within = (each: PropApp): string[] =>
    each.parts ? each.parts.flatMap(within) : [(each.args as { arch?: string }).arch ?? each.property];
  return (application.args as { applications: PropApp[] }).applications.flatMap(within);
};
const bookworm = os.debianStable("bookworm", "amd64");
const needsDebian = defprop({
  name: "test.needsDebian",
  kind: "posix",
  args: object({}),
  hostattrs: (_args, host) => os.required(host, "debianlike"),
});
const agentOnly = defprop({
  name: "test.agentOnly",
  kind: "agent",
  args: object({}),
  apply: async () => "unchanged",
});
const first = defprop({
  name: "test.first",
  kind: "posix",
  args: object({}),
  apply: async () => "unchanged",
});
const second = defprop({
  name: "test.second",
  kind: "posix",
  args: object({}),
  apply: async () => "unchanged",
});

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Refused || error instanceof InvalidArguments) {
      return error.message.replace(/ at \S+:\d+:\d+/g, "").replace(/(case)\([\s\S]*?\)(?=: [cwu])/, "$1(…)");
    }
    throw error;
  }
  throw new Error("expected a refusal");
}

describe("declaring", () => {
  test("the newest declaration counts", () => {
    const { model } = prepared(os.linux(), bookworm);
    assert.deepEqual(os.of(model), { type: "debianStable", suite: "bookworm", arch: "amd64" });
  });

  test("each property declares its own type", () => {
    const declared = [
      os.linux(),
      os.debianTesting("arm64"),
      os.debianUnstable("amd64"),
      os.freebsdRelease("14.1", "amd64"),
      os.freebsdDevel("amd64"),
    ].map((application) => os.of(prepared(application).model));
    assert.deepEqual(declared, [
      { type: "linux" },
      { type: "debianTesting", suite: "testing", arch: "arm64" },
      { type: "debianUnstable", suite: "unstable", arch: "amd64" },
      { type: "freebsdRelease", version: "14.1", arch: "amd64" },
      { type: "freebsdDevel", arch: "amd64" },
    ]);
  });

  test("nothing is applied, and nothing has to be unapplied", () => {
    assert.equal(os.linux().property, "os.linux");
    assert.equal(bookworm.property, "os.debianStable");
  });

  test("a misspelled suite is refused, an unknown one is not", () => {
    const told = (suite: string, ...options: [os.FromOption?]) =>
      refusal(() => prepared(os.debianStable(suite, "amd64", ...options)));
    const call = (suite: string, more = "") => `${name}: os.debianStable('${suite}', 'amd64'${more}): `;
    assert.equal(
      told("bokworm"),
      `${call("bokworm")}there is no Debian suite "bokworm"; did you mean "bookworm"?`,
    );
    for (const [typed, meant] of Object.entries({
      ...{
        bookwrom: "bookworm",
        bookwormm: "bookworm",
        triixe: "trixie",
        truxie: "trixie",
        oldstabel: "oldstable",
      },
    }))
      assert.match(told(typed), new RegExp(`"${typed}"; did you mean "${meant}"`));
    assert.equal(
      told("trixie", { from: "bulseye" }),
      `${call("trixie", ", { from: 'bulseye' }")}there is no Debian suite "bulseye"; did you mean "bullseye"?`,
    );
    // Suites of derivatives, of releases to come, and names that are too short to be compared.
    for (const suite of ["noble", "jammy", "elsie", "daedalus", "woodstock", "kali-rolling", "six", "duke"])
      prepared(os.debianStable(suite, "amd64"));
  });

  test("what the host may run before can be given", () => {
    assert.equal(
      refusal(() => os.debianTesting("amd64", { from: "Debian 12" })),
      'os.debianTesting: args.from is "Debian 12"; it must be a release or a system, such as "bookworm", "14.0" or "ubuntu"',
    );
    assert.deepEqual(os.of(prepared(os.freebsdRelease("14.2", "amd64", { from: "14.1" })).model), {
      type: "freebsdRelease",
      version: "14.2",
      arch: "amd64",
    });
  });

  test("an invalid architecture is refused", () => {
    assert.equal(
      refusal(() => os.debianStable("bookworm", "AMD 64")),
      'os.debianStable: args.arch is "AMD 64"; it must be an architecture, such as "amd64"',
    );
  });
});

describe("required", () => {
  test("the type itself or a parent type is accepted", () => {
    prepared(bookworm, needsDebian({}));
    assert.equal(os.isA({ type: "debianUnstable" }, "unixlike"), true);
    assert.equal(os.isA({ type: "debianlike" }, "debian"), false);
  });

  test("another system is refused", () => {
    assert.equal(
      refusal(() => prepared(os.freebsdRelease("14.1", "amd64"), needsDebian({}))),
      `${name}: test.needsDebian({}): it needs a debianlike system, but ${name} runs freebsdRelease 14.1 (amd64)`,
    );
  });

  test("a host without a declaration, or with a later one, is refused", () => {
    assert.equal(
      refusal(() => prepared(needsDebian({}), bookworm)),
      `${name}: test.needsDebian({}): it needs a debianlike system, but ${name} has no operating system declared yet; put os.debianStable("bookworm", "amd64") or the like before it`,
    );
  });
});

test("suite, architecture and version of a system", () => {
  const debian: os.OsValue = { type: "debianStable", suite: "bookworm", arch: "amd64" };
  assert.equal(os.debianSuite(debian), "bookworm");
  assert.equal(os.debianArchitecture(debian), "amd64");
  assert.equal(os.debianArchitectureString({ ...debian, arch: "AMD64" }), "amd64");
  assert.equal(os.freebsdArchitecture({ type: "freebsdDevel", arch: "amd64" }), "amd64");
  assert.equal(os.freebsdVersion({ type: "freebsdRelease", version: "14.1", arch: "amd64" }), "14.1");
  assert.throws(() => os.debianSuite({ type: "linux" }), {
    name: "InapplicableProperty",
    message: "linux declares no debian suite",
  });
});

test("supportsArch", () => {
  const debian = (arch: string): os.OsValue => ({ type: "debianUnstable", suite: "unstable", arch });
  const linux: os.OsValue = { type: "linux" };
  assert.deepEqual(
    [
      os.supportsArch(debian("amd64"), debian("i386")),
      os.supportsArch(debian("i386"), debian("amd64")),
      os.supportsArch(debian("arm64"), debian("arm64")),
      os.supportsArch(debian("arm64"), debian("amd64")),
      os.supportsArch(debian("amd64"), linux),
      os.supportsArch(linux, linux),
    ],
    [true, true, true, false, undefined, undefined],
  );
});

describe("choosing by type", () => {
  const cases = { debianTesting: first({}), debian: [second({}), null, first({})], default: agentOnly({}) };

  test("the first matching case wins, with all its properties", () => {
    assert.deepEqual(chosen(prepared(bookworm, os.typecase(cases))), ["amd64", "test.second", "test.first"]);
    assert.deepEqual(chosen(prepared(os.debianTesting("arm64"), os.typecase(cases))), [
      "arm64",
      "test.first",
    ]);
  });

  test("otherwise the default, otherwise nothing, also when no system is declared", () => {
    assert.deepEqual(chosen(prepared(os.typecase(cases))), ["test.agentOnly"]);
    assert.deepEqual(chosen(prepared(os.typecase({ debian: first({}) }))), []);
    assert.deepEqual(chosen(prepared(os.freebsdDevel("amd64"), os.typecase({ linux: first({}) }))), [
      "amd64",
    ]);
  });

  test("the kind is that of the chosen case", () => {
    assert.equal(prepared(bookworm, os.typecase(cases)).kind, "posix");
    assert.equal(prepared(os.typecase(cases)).kind, "agent");
  });

  test("only the chosen case can refuse the host", () => {
    prepared(os.freebsdDevel("amd64"), os.typecase({ debian: needsDebian({}), default: first({}) }));
  });

  test("an unknown type is refused", () => {
    assert.match(
      refusal(() => os.typecase({ debain: null } as object)),
      /^os\.typecase: args\.cases\[0\]\.when is "debain"; it must be one of "unixlike", "linux", /,
    );
  });

  test("a different system declared after the choice is refused", () => {
    assert.equal(
      refusal(() => prepared(os.typecase(cases), bookworm)),
      `${name}: os.debianStable('bookworm', 'amd64'): os.typecase before it already chose a case, when ${name} had no operating system declared; put this first`,
    );
    assert.equal(
      refusal(() => prepared(os.linux(), os.typecase(cases), bookworm)),
      `${name}: os.debianStable('bookworm', 'amd64'): os.typecase before it already chose a case, when ${name} was declared to run linux; put this first`,
    );
    prepared(bookworm, os.typecase(cases), bookworm);
  });

  test("etypecase refuses the host when no case matches, and has no default", () => {
    assert.deepEqual(chosen(prepared(bookworm, os.etypecase({ unixlike: first({}) }))), [
      "amd64",
      "test.first",
    ]);
    assert.equal(
      refusal(() => prepared(bookworm, os.etypecase({ freebsd: null, debianTesting: null }))),
      `${name}: os.etypecase(…): ${name} runs debianStable bookworm (amd64), which matches no case; the cases are: freebsd, debianTesting`,
    );
    assert.equal(
      refusal(() => prepared(os.etypecase({ debian: null }))),
      `${name}: os.etypecase(…): ${name} has no operating system declared yet; the cases are: debian`,
    );
    assert.throws(() => os.etypecase({ default: null } as object), { name: "InvalidArguments" });
    assert.throws(() => os.typecase({ debian: [null, first] as never }), {
      message:
        "os.typecase: args.cases[0].then[0] is a function; it must be a property, such as apt.updated()",
    });
  });
});

describe("choosing by suite", () => {
  test("the suite is compared literally", () => {
    const cases = { trixie: first({}), bookworm: second({}), default: agentOnly({}) };
    assert.deepEqual(chosen(prepared(bookworm, os.debianSuiteCase(cases))), ["amd64", "test.second"]);
    assert.deepEqual(chosen(prepared(os.debianUnstable("amd64"), os.debianSuiteCase(cases))), [
      "amd64",
      "test.agentOnly",
    ]);
  });

  test("a system other than Debian gets the default", () => {
    assert.deepEqual(
      chosen(prepared(os.linux(), os.debianSuiteCase({ bookworm: null, default: first({}) }))),
      ["os.linux", "test.first"],
    );
    assert.deepEqual(chosen(prepared(os.debianSuiteCase({ bookworm: first({}) }))), []);
  });

  test("debianSuiteEcase refuses the host when no case matches, and has no default", () => {
    assert.deepEqual(chosen(prepared(bookworm, os.debianSuiteEcase({ bookworm: first({}) }))), [
      "amd64",
      "test.first",
    ]);
    assert.equal(
      refusal(() => prepared(os.freebsdDevel("amd64"), os.debianSuiteEcase({ trixie: null }))),
      `${name}: os.debianSuiteEcase(…): ${name} runs freebsdDevel (amd64), which matches no case; the cases are: trixie`,
    );
    assert.equal(
      refusal(() => os.debianSuiteEcase({ default: null })),
      'os.debianSuiteEcase: args.cases[0].when is "default"; it must be a suite, such as "bookworm", but not "default"',
    );
  });
});

describe("choosing by another host", () => {
  const other = defhost("container.example.org", os.freebsdRelease("14.1", "amd64"), agentOnly({}));

  test("only the system of the other host matters", () => {
    const found = prepared(bookworm, os.hostTypecase(other, { freebsd: first({}), debian: second({}) }));
    assert.deepEqual(chosen(found), ["amd64", "test.first"]);
    assert.equal(found.kind, "posix");
    const suite = defhost("trixie.example.org", os.debianStable("trixie", "amd64"));
    assert.deepEqual(chosen(prepared(bookworm, os.hostDebianSuiteCase(suite, { trixie: second({}) }))), [
      "amd64",
      "test.second",
    ]);
  });

  test("the error names the other host when no case matches", () => {
    assert.equal(
      refusal(() => prepared(bookworm, os.hostEtypecase(other, { debian: null }))),
      `${name}: os.hostEtypecase(…): container.example.org runs freebsdRelease 14.1 (amd64), which matches no case; the cases are: debian`,
    );
    assert.equal(
      refusal(() => prepared(bookworm, os.hostDebianSuiteEcase(other, { bookworm: null }))),
      `${name}: os.hostDebianSuiteEcase(…): container.example.org runs freebsdRelease 14.1 (amd64), which matches no case; the cases are: bookworm`,
    );
  });

  test("an error in the other host is reported", () => {
    const wrong = defhost("wrong.example.org", needsDebian({}));
    assert.match(
      refusal(() => prepared(os.hostTypecase(wrong, { debian: null }))),
      /wrong\.example\.org: test\.needsDebian\(\{\}\): it needs a debianlike system/,
    );
  });
});

test("a model that has not been prepared has no system", () => {
  assert.equal(os.of(HostModel.named(name)), undefined);
  assert.equal(os.runs(HostModel.named(name), "unixlike"), false);
});
