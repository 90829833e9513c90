/** Who may run what as whom through sudo. */
import {
  AbortedChange,
  attribute,
  defprop,
  type HostFacts,
  InapplicableProperty,
  schema,
} from "consfigurator";
import { needsRoot } from "./_needs";
import { runs } from "./_os";
import { checking } from "./_validate";

const { account, boolean, list, object, optional, string } = schema;

const allowsArgs = object({
  who: string({
    pattern: "^%?[A-Za-z_][A-Za-z0-9_.-]*$",
    description: 'an account, such as "deploy", or a group, such as "%admin"',
  }),
  commands: optional(
    list(
      string({
        pattern: "^/[^\\s\\\\]+( [^\\n\\r\\\\]*\\S)?$",
        description: 'a command with its whole path, such as "/usr/bin/systemctl restart shop"',
      }),
      { minItems: 1 },
    ),
  ),
  as: optional(account()),
  password: optional(boolean()),
  name: optional(
    string({
      pattern: "^[A-Za-z0-9][A-Za-z0-9_-]*$",
      description: 'the name of a file without dots, such as "deploy-restarts"',
    }),
  ),
});
type Rule = schema.Infer<typeof allowsArgs>;

/** The rules of a host, as "file: rule". */
const rules = attribute<string>("sudo/rules");

const nameOf = ({ who, name }: Rule): string => name ?? who.replace(/^%/, "group-").replaceAll(".", "_");

const ruleOf = ({ who, commands, as = "ALL", password = true }: Rule): string =>
  `${who} ALL=(${as === "ALL" ? "ALL:ALL" : as}) ${password ? "" : "NOPASSWD: "}${commands?.map(escaped).join(", ") ?? "ALL"}`;

/** sudoers(5) gives these characters a meaning of their own in a command. */
const escaped = (command: string): string => command.replace(/[,:=#]/g, "\\$&");

const etcOf = (host: HostFacts): string => (runs(host, "freebsd") ? "/usr/local/etc" : "/etc");

/**
 * `who`, an account or a `%group`, may run `commands` through sudo, or any command unless they are given; as the account `as`, or as anyone; and is
 * asked for a password, unless `password` is false. A command without arguments may be run with any; `*` and `?` stand for any text.
 *
 * The rule is the file of `name` in /etc/sudoers.d, which nothing else may write: its name is that of `who` unless given, and two rules for
 * one file are refused before connecting. visudo judges it before it is put in place; without sudo on the host it is refused.
 * Of the rules that fit a command, the last one counts, in the order of the names of the files. Unapplying it removes the file.
 *
 * @example sudo.allows("%admin")
 * @example sudo.allows("deploy", { commands: ["/usr/bin/systemctl restart shop"], as: "root", password: false })
 */
export const allows = defprop({
  name: "sudo.allows",
  kind: "posix",
  args: allowsArgs,
  call: (who: string, options: Omit<Rule, "who"> = {}) => ({ who, ...options }),
  desc: (rule) =>
    `${rule.who} may run ${rule.commands?.join(", ") ?? "anything"}${rule.as === undefined ? "" : ` as ${rule.as}`} through sudo`,
  hostattrs: (rule, host) => {
    const file = `${nameOf(rule)}: `;
    const other = host.all(rules).find((each) => each.startsWith(file) && each !== file + ruleOf(rule));
    if (other !== undefined)
      throw new InapplicableProperty(
        `the file ${nameOf(rule)} has another rule already, "${other.slice(file.length)}"; give one of them a { name }`,
      );
    host.pushNew(rules, file + ruleOf(rule));
  },
  apply: async (rule, target) => {
    await needsRoot(target, "sudo.allows");
    const etc = etcOf(target.host);
    if (!(await target.hasCommand("visudo")))
      throw new AbortedChange(
        'sudo is not installed; put apt.installed("sudo") or the like before this property',
      );
    const isRead = (line: string) =>
      line.trim().replace(/\s+/, " ").slice(1) === `includedir ${etc}/sudoers.d`;
    if (!(await target.readLines(`${etc}/sudoers`)).some(isRead))
      throw new AbortedChange(
        `${etc}/sudoers does not read the files in ${etc}/sudoers.d; put file.containsLines("${etc}/sudoers", "@includedir ${etc}/sudoers.d") before this property`,
      );
    const path = `${etc}/sudoers.d/${nameOf(rule)}`;
    return target.ensureContent(path, `${ruleOf(rule)}\n`, { mode: 0o440, ...checking(target, path) });
  },
  unapply: async (rule, target) => {
    await needsRoot(target, "sudo.allows");
    return target.remove(`${etcOf(target.host)}/sudoers.d/${nameOf(rule)}`);
  },
});
