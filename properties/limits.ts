/** Limits of the resources that the sessions of an account may use. */
import { defprop, defproplist, schema } from "consfigurator";
import * as os from "./_os";
import { ownFile } from "./_ownFile";

const { either, integer, object, oneOf, optional, record, string } = schema;

const ITEMS = [
  ...["core", "data", "fsize", "memlock", "nofile", "rss", "stack", "cpu", "nproc", "as", "maxlogins"],
  ...["maxsyslogins", "priority", "locks", "sigpending", "msgqueue", "nice", "rtprio"],
] as const;

const value = () => either(integer({ minimum: -20, description: "a number" }), oneOf("unlimited"));
const limit = () => either(value(), object({ soft: optional(value()), hard: optional(value()) }));

const who = () =>
  string({
    pattern: "^(\\*|@?[A-Za-z_][A-Za-z0-9_.-]*)$",
    description: 'an account, such as "deploy", a group, such as "@admin", or "*" for everyone but root',
  });

const limitsArgs = object({
  who: who(),
  limits: record(limit(), { propertyNames: { enum: ITEMS }, minProperties: 1 }),
});
type Limits = schema.Infer<typeof limitsArgs>["limits"];
type Limit =
  | number
  | "unlimited"
  | { readonly soft?: number | "unlimited"; readonly hard?: number | "unlimited" };

/** Of two lines that fit, the later one counts; those for everyone come first. */
const fileOf = (name: string): string =>
  `/etc/security/limits.d/${name === "*" ? "90-everyone" : name.startsWith("@") ? `91-group-${name.slice(1)}` : `92-${name}`}.conf`;

const linesOf = (name: string, limits: Limits): string[] =>
  Object.entries(limits).flatMap(([item, given]) => {
    if (typeof given !== "object") return [`${name} - ${item} ${given}`];
    return (["soft", "hard"] as const).flatMap((kind) =>
      given[kind] === undefined ? [] : [`${name} ${kind} ${item} ${given[kind]}`],
    );
  });

const file = defprop({ name: "limits._file", ...ownFile({ mode: 0o644 }) });

/**
 * The sessions of `who` have exactly these `limits` of ours, as in limits.conf(5), by a file of its own in
 * /etc/security/limits.d: a number or "unlimited" for both, or a soft and a hard one. They hold for sessions that begin
 * later, such as by ssh, su or cron; services of systemd have their own, see `systemd.hasDropIn`. Unapplying it removes the
 * file.
 *
 * @example limits.configured("deploy", { nofile: 65536, nproc: { soft: 2048, hard: 4096 } })
 */
export const configured = defproplist({
  name: "limits.configured",
  args: limitsArgs,
  call: (who: string, limits: Readonly<Partial<Record<(typeof ITEMS)[number], Limit>>>) => ({
    who,
    limits: { ...limits } as Limits,
  }),
  desc: ({ who, limits }) => `limits of ${who}: ${Object.keys(limits).join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ who, limits }) => {
    const text = linesOf(who, limits)
      .map((line) => `${line}\n`)
      .join("");
    return [file({ path: fileOf(who), text, property: "limits.configured" })];
  },
});
