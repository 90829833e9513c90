/** Caches of compilers, by ccache(1). */
import { defproplist, eseqprops, schema } from "consfigurator";
import { needed } from "./_needs";
import * as os from "./_os";
import { directory } from "./_ownDirectory";
import { installed as aptInstalled } from "./apt";
import { containsConfEquals, hasMode, hasOwnership } from "./file";
import { groupExists } from "./user";

const { absolutePath, account, either, integer, nullable, object, optional, string } = schema;

/**
 * ccache is installed.
 *
 * @example ccache.installed()
 */
export const installed = defproplist({
  name: "ccache.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "ccache installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("ccache")],
});

const limits = {
  maxSize: optional(
    nullable(
      string({
        pattern: "^[0-9]+(\\.[0-9]+)?[kMGT]?i?B?$",
        description: 'a size as in ccache(1), such as "2Gi"',
      }),
    ),
  ),
  maxFiles: optional(nullable(either(integer({ minimum: 0 }), string({ pattern: "^[0-9]+$" })))),
};
type Limits = schema.Infer<ReturnType<typeof limitsArgs>>;
const limitsArgs = () => object(limits);

const settingsOf = ({ maxSize, maxFiles }: Limits): [key: string, value: string][] => [
  ...(maxSize === undefined ? [] : [["max_size", maxSize ?? "0"] as [string, string]]),
  ...(maxFiles === undefined ? [] : [["max_files", String(maxFiles ?? 0)] as [string, string]]),
];

/** At least one limit. */
const anyLimit = (schema: schema.Schema<Limits & { cacheDir: string }>) => ({
  ...schema,
  anyOf: [{ required: ["maxSize"] }, { required: ["maxFiles"] }],
});

/**
 * ccache is installed, and keeps at most `maxSize`, such as "2Gi", and `maxFiles` files in the directory `cacheDir`; null is
 * any number. What is not given stays as it is; one of them must be. Other settings in its ccache.conf stay.
 *
 * @example ccache.hasLimits("/var/cache/ccache", { maxSize: "10Gi", maxFiles: null })
 */
export const hasLimits = defproplist({
  name: "ccache.hasLimits",
  args: anyLimit(object({ cacheDir: absolutePath(), ...limits })),
  call: (cacheDir: string, options: Limits) => ({ cacheDir, ...options }),
  desc: ({ cacheDir, ...options }) =>
    `limits of ${cacheDir}: ${settingsOf(options)
      .map(([key, value]) => `${key} ${value}`)
      .join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ cacheDir, ...options }) => [
    needed(installed()),
    containsConfEquals(`${cacheDir}/ccache.conf`, settingsOf(options)),
  ],
});

/**
 * ccache is installed, and there is a cache /var/cache/ccache-`group` which members of the group `group` may use together: it
 * belongs to root and the group, which is made if it is missing. Limits as in `ccache.hasLimits`. Unapplying it deletes the
 * cache.
 *
 * @example ccache.cacheForGroup("sbuild", { maxSize: "2Gi" })
 */
export const cacheForGroup = defproplist({
  name: "ccache.cacheForGroup",
  args: object({ group: account(), ...limits }),
  call: (group: string, options: Limits = {}) => ({ group, ...options }),
  desc: ({ group }) => `cache of compilers for ${group}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ group, ...options }) => {
    const path = `/var/cache/ccache-${group}`;
    return [
      needed(eseqprops(installed(), groupExists(group))),
      directory({ path }),
      needed(
        eseqprops(
          hasOwnership(path, { user: "root", group }),
          hasMode(path, 0o2775),
          ...(settingsOf(options).length > 0 ? [hasLimits(path, options)] : []),
        ),
      ),
    ];
  },
});
