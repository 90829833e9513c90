/** Which of several versions of a package apt prefers. */
import { defproplist, schema } from "consfigurator";
import { additionalSuites } from "./_aptConfig";
import { moving } from "./_debianSuites";
import { encodedName } from "./_encoded";
import { existsWithContent } from "./_fileContent";
import * as os from "./_os";

const { integer, list, object, record, string } = schema;

/** Priorities by what they are for. */
type Priorities = Readonly<Record<string, number>>;

const prioritiesBy = (pattern: string, description: string) =>
  record(integer({ minimum: -32768, maximum: 32767, description: "a priority, such as 100 or -10" }), {
    minProperties: 1,
    propertyNames: { pattern, description },
  });
const suitePattern = "[a-z][a-z0-9-]*";

const pinFile = (name: string): string => `/etc/apt/preferences.d/${name}.pref`;

/** One entry of apt_preferences(5) for each of `priorities`. */
const pins = (preference: string, priorities: Priorities): string =>
  Object.entries(priorities)
    .map(([of, priority]) =>
      [
        "Explanation: managed by consfigurator",
        `Package: ${preference}`,
        `Pin: ${pinOf(of)}`,
        `Pin-Priority: ${priority}`,
        "",
      ].join("\n"),
    )
    .join("\n");

/** Suites that move on to another release are known by their archive, others by their code name. */
function pinOf(of: string): string {
  if (of.includes(" ")) return of;
  const archives: readonly string[] = [...moving.stable, "testing", "unstable", "experimental"];
  return archives.includes(of) ? `release a=${of}` : `release n=${of}`;
}

/**
 * Packages of each suite in `priorities` are available, with that priority: as in apt_preferences(5), 500 is what a package
 * has otherwise, one below 100 is not installed on its own, and one below 0 never, unless another pin says so.
 * `apt.standardSourcesList` writes the suites to the host, as with `apt.additionalSuites`.
 *
 * @example apt.suitesAvailablePinned({ testing: -10, unstable: -10 })
 */
export const suitesAvailablePinned = defproplist({
  name: "apt.suitesAvailablePinned",
  args: object({
    priorities: prioritiesBy(`^${suitePattern}$`, 'a suite, such as "testing" or "bookworm-backports"'),
  }),
  call: (priorities: Priorities) => ({ priorities }),
  desc: ({ priorities }) => `suites available: ${inWords(priorities)}`,
  hostattrs: (_args, host) => os.required(host, "debian"),
  parts: ({ priorities }) => [
    additionalSuites(...Object.keys(priorities)),
    ...Object.entries(priorities).map(([suite, priority]) =>
      existsWithContent(pinFile(`20${suite}`), pins("*", { [suite]: priority })),
    ),
  ],
});

const inWords = (priorities: Priorities): string =>
  Object.entries(priorities)
    .map(([of, priority]) => `${of} at ${priority}`)
    .join(", ");

const preference = () =>
  string({
    pattern: "^(/.+/|(src:)?[A-Za-z0-9*?\\[][A-Za-z0-9+.:*?\\[\\]-]*)$",
    description: 'a package, such as "git", a glob such as "linux-*", or a /regular expression/',
  });

/**
 * Of each package that one of `preferences` matches (a name, a glob, or a /regular expression/), apt prefers versions by
 * `priorities`. Their keys are suites, or anything else that can follow `Pin:` in apt_preferences(5): "version 1.22.*",
 * "origin packages.example.org", "release o=Debian". They are for versions from sources that the host has: see
 * `apt.suitesAvailablePinned`.
 *
 * @example apt.pinned("elpa-*", { testing: 100, unstable: 50 })
 * @example apt.pinned(["nginx", "nginx-common"], { "version 1.22.*": 1001 })
 */
export const pinned = defproplist({
  name: "apt.pinned",
  args: object({
    preferences: list(preference(), { minItems: 1 }),
    priorities: prioritiesBy(
      `^(${suitePattern}|(version|origin|release) [^\\n]+)$`,
      'a suite, such as "testing", or "version …", "origin …" or "release …"',
    ),
  }),
  call: (preferences: string | readonly string[], priorities: Priorities) => ({
    preferences: [preferences].flat(),
    priorities,
  }),
  desc: ({ preferences, priorities }) => `${preferences.join(", ")} pinned: ${inWords(priorities)}`,
  hostattrs: (_args, host) => os.required(host, "debian"),
  parts: ({ preferences, priorities }) =>
    preferences.map((each) =>
      existsWithContent(pinFile(`10consfig_${encodedName(each)}`), pins(each, priorities)),
    ),
});
