/** The operating system of a host: declarations, queries, and choices by it. */
import { defprop, schema } from "consfigurator";
import { declare } from "./_osCases";

const { object, string } = schema;

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
const suite = () => string({ pattern: "^[a-z][a-z0-9._-]*$", description: 'a suite, such as "bookworm"' });
const nothing = object({});
const archOnly = object({ arch: arch() });
const byArch = (arch: string) => ({ arch });

/**
 * The host runs Linux; the distribution is not known.
 *
 * @example os.linux()
 */
export const linux = defprop({
  name: "os.linux",
  kind: "posix",
  args: nothing,
  call: () => ({}),
  desc: () => "runs Linux",
  hostattrs: (_args, host) => declare(host, { type: "linux" }),
});

/**
 * The host runs the Debian release `suite` on `arch`.
 *
 * @example os.debianStable("bookworm", "amd64")
 */
export const debianStable = defprop({
  name: "os.debianStable",
  kind: "posix",
  args: object({ suite: suite(), arch: arch() }),
  call: (suite: string, arch: string) => ({ suite, arch }),
  desc: ({ suite, arch }) => `runs Debian ${suite} (${arch})`,
  hostattrs: ({ suite, arch }, host) => declare(host, { type: "debianStable", suite, arch }),
});

/**
 * The host runs Debian testing on `arch`.
 *
 * @example os.debianTesting("amd64")
 */
export const debianTesting = defprop({
  name: "os.debianTesting",
  kind: "posix",
  args: archOnly,
  call: byArch,
  desc: ({ arch }) => `runs Debian testing (${arch})`,
  hostattrs: ({ arch }, host) => declare(host, { type: "debianTesting", suite: "testing", arch }),
});

/**
 * The host runs Debian unstable on `arch`.
 *
 * @example os.debianUnstable("arm64")
 */
export const debianUnstable = defprop({
  name: "os.debianUnstable",
  kind: "posix",
  args: archOnly,
  call: byArch,
  desc: ({ arch }) => `runs Debian unstable (${arch})`,
  hostattrs: ({ arch }, host) => declare(host, { type: "debianUnstable", suite: "unstable", arch }),
});

/**
 * The host runs the FreeBSD release `version`, given as its number alone, on `arch`.
 *
 * @example os.freebsdRelease("14.1", "amd64")
 */
export const freebsdRelease = defprop({
  name: "os.freebsdRelease",
  kind: "posix",
  args: object({
    version: string({ pattern: "^[0-9]+\\.[0-9]+$", description: 'the number of a release, such as "14.1"' }),
    arch: arch(),
  }),
  call: (version: string, arch: string) => ({ version, arch }),
  desc: ({ version, arch }) => `runs FreeBSD ${version} (${arch})`,
  hostattrs: ({ version, arch }, host) => declare(host, { type: "freebsdRelease", version, arch }),
});

/**
 * The host runs a development version of FreeBSD (CURRENT, STABLE, ALPHA, BETA) on `arch`.
 *
 * @example os.freebsdDevel("amd64")
 */
export const freebsdDevel = defprop({
  name: "os.freebsdDevel",
  kind: "posix",
  args: archOnly,
  call: byArch,
  desc: ({ arch }) => `runs FreeBSD, a development build (${arch})`,
  hostattrs: ({ arch }, host) => declare(host, { type: "freebsdDevel", arch }),
});
