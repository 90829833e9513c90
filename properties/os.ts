/** The operating system of a host: declarations, queries, and choices by it. */
import { defprop, schema } from "consfigurator";
import { refuseMisspelled, suiteNames } from "./_debianSuites";
import type { OsValue } from "./_os";
import { declare } from "./_osCases";
import { inWords, mismatch } from "./_osMatch";

const { object, optional, string } = schema;

export * from "./_os";
export {
  debianSuiteCase,
  debianSuiteEcase,
  etypecase,
  hostDebianSuiteCase,
  hostDebianSuiteEcase,
  hostEtypecase,
  hostTypecase,
  typecase,
} from "./_osCases";

const arch = () =>
  string({ pattern: "^[a-z0-9][a-z0-9_-]*$", description: 'an architecture, such as "amd64"' });
const suite = () =>
  string({
    pattern: "^[a-z][a-z0-9._-]*$",
    description: 'a suite, such as "bookworm"',
    examples: suiteNames,
  });
const from = () =>
  optional(
    string({
      pattern: "^[a-z0-9][a-z0-9._-]*$",
      description: 'a release or a system, such as "bookworm", "14.0" or "ubuntu"',
    }),
  );
const archOnly = object({ arch: arch(), from: from() });
const byArch = (arch: string, options: FromOption = {}) => ({ arch, ...options });

/** The options of a declaration. */
export interface FromOption {
  /**
   * What the host may run instead before it is upgraded or replaced: a release, such as "bookworm" or "14.0", or the `ID`
   * of its /etc/os-release, such as "ubuntu".
   */
  readonly from?: string;
}

/**
 * The host runs Linux; the distribution is not known. This is compared with the host before the first step of a deployment,
 * which is refused if it runs another kernel.
 *
 * @example os.linux()
 */
export const linux = defprop({
  name: "os.linux",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => `runs ${inWords({ type: "linux" })}`,
  hostattrs: (_args, host) => declare(host, { type: "linux" }),
  mismatch: (_args, target) => mismatch({ type: "linux" }, undefined, target),
});

const stable = ({ suite, arch }: { suite: string; arch: string }): OsValue => ({
  type: "debianStable",
  suite,
  arch,
});

/**
 * The host runs the Debian release `suite` on `arch`, or a derivative with that code name. This is compared with the host
 * before the first step of a deployment, which is refused if the host certainly runs something else. `from` names the
 * system that the host may still run, because the deployment upgrades or replaces it.
 *
 * @example os.debianStable("bookworm", "amd64")
 * @example os.debianStable("trixie", "amd64", { from: "bookworm" })
 */
export const debianStable = defprop({
  name: "os.debianStable",
  kind: "posix",
  args: object({ suite: suite(), arch: arch(), from: from() }),
  call: (suite: string, arch: string, options: FromOption = {}) => ({ suite, arch, ...options }),
  desc: (args) => `runs ${inWords(stable(args))}`,
  hostattrs: ({ from, ...args }, host) => {
    refuseMisspelled(args.suite);
    if (from !== undefined) refuseMisspelled(from);
    declare(host, stable(args));
  },
  mismatch: ({ from, ...args }, target) => mismatch(stable(args), from, target),
});

const testing = (arch: string): OsValue => ({ type: "debianTesting", suite: "testing", arch });

/**
 * The host runs Debian testing on `arch`. Compared with the host as in `os.debianStable`; testing and unstable cannot be
 * told apart.
 *
 * @example os.debianTesting("amd64")
 */
export const debianTesting = defprop({
  name: "os.debianTesting",
  kind: "posix",
  args: archOnly,
  call: byArch,
  desc: ({ arch }) => `runs ${inWords(testing(arch))}`,
  hostattrs: ({ arch }, host) => declare(host, testing(arch)),
  mismatch: ({ arch, from }, target) => mismatch(testing(arch), from, target),
});

const unstable = (arch: string): OsValue => ({ type: "debianUnstable", suite: "unstable", arch });

/**
 * The host runs Debian unstable on `arch`. Compared with the host as in `os.debianStable`; testing and unstable cannot be
 * told apart.
 *
 * @example os.debianUnstable("arm64")
 */
export const debianUnstable = defprop({
  name: "os.debianUnstable",
  kind: "posix",
  args: archOnly,
  call: byArch,
  desc: ({ arch }) => `runs ${inWords(unstable(arch))}`,
  hostattrs: ({ arch }, host) => declare(host, unstable(arch)),
  mismatch: ({ arch, from }, target) => mismatch(unstable(arch), from, target),
});

const release = ({ version, arch }: { version: string; arch: string }): OsValue => ({
  type: "freebsdRelease",
  version,
  arch,
});

/**
 * The host runs the FreeBSD release `version`, given as its number alone, on `arch`. Compared with the host as in
 * `os.debianStable`.
 *
 * @example os.freebsdRelease("14.1", "amd64")
 */
export const freebsdRelease = defprop({
  name: "os.freebsdRelease",
  kind: "posix",
  args: object({
    version: string({ pattern: "^[0-9]+\\.[0-9]+$", description: 'the number of a release, such as "14.1"' }),
    arch: arch(),
    from: from(),
  }),
  call: (version: string, arch: string, options: FromOption = {}) => ({ version, arch, ...options }),
  desc: (args) => `runs ${inWords(release(args))}`,
  hostattrs: ({ from: _from, ...args }, host) => declare(host, release(args)),
  mismatch: ({ from, ...args }, target) => mismatch(release(args), from, target),
});

const devel = (arch: string): OsValue => ({ type: "freebsdDevel", arch });

/**
 * The host runs a development version of FreeBSD (CURRENT, STABLE, ALPHA, BETA) on `arch`. Compared with the host as in
 * `os.debianStable`.
 *
 * @example os.freebsdDevel("amd64")
 */
export const freebsdDevel = defprop({
  name: "os.freebsdDevel",
  kind: "posix",
  args: archOnly,
  call: byArch,
  desc: ({ arch }) => `runs ${inWords(devel(arch))}`,
  hostattrs: ({ arch }, host) => declare(host, devel(arch)),
  mismatch: ({ arch, from }, target) => mismatch(devel(arch), from, target),
});
