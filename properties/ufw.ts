/** The firewall of the kernel, by ufw. */
import {
  AbortedChange,
  attribute,
  type Change,
  defprop,
  FailedChange,
  type HostModel,
  InapplicableProperty,
  type PosixTarget,
  schema,
  shellQuote,
  shellWords,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram } from "./_ownFile";
import { refuseLockout, sshConnections } from "./_sshTrial";

const { object, oneOf, optional, string } = schema;

const DEFAULTS = "/etc/default/ufw";
const CONFIGURATION = "/etc/ufw/ufw.conf";
const needs = { program: "ufw", package: "ufw" };

/** The words of ufw and those of its files. */
const POLICIES = { deny: "DROP", allow: "ACCEPT", reject: "REJECT" } as const;
const CHAINS = { incoming: "INPUT", outgoing: "OUTPUT", routed: "FORWARD" } as const;
const policy = () => oneOf("deny", "allow", "reject");
const enabledArgs = object({ incoming: policy(), outgoing: policy(), routed: policy() });
type Policies = schema.Infer<typeof enabledArgs>;

const chains = Object.keys(CHAINS) as (keyof Policies)[];

/** The value of a setting in a file of shell syntax. */
async function settings(target: PosixTarget, file: string): Promise<Map<string, string>> {
  const lines = await target.readLines(file);
  return new Map(
    lines.flatMap((line) => {
      const [, name = "", value = ""] = /^\s*([A-Z0-9_]+)=["']?([^"'#]*?)["']?\s*$/.exec(line) ?? [];
      return name === "" ? [] : [[name, value] as const];
    }),
  );
}

const isEnabled = async (target: PosixTarget): Promise<boolean> =>
  (await settings(target, CONFIGURATION)).get("ENABLED")?.toLowerCase() === "yes";

/** Runs ufw with each of `commands`; none of them asks. */
async function ufw(target: PosixTarget, commands: readonly (readonly string[])[]): Promise<void> {
  for (const words of commands) {
    const { exit, stdout, stderr } = await target.run(["ufw", ...words], {
      mayFail: true,
      touches: { paths: ["/etc/ufw", DEFAULTS] },
    });
    if (exit !== 0)
      throw new FailedChange(`\`ufw ${shellWords(words)}\` failed: ${(stderr || stdout).trim()}`);
  }
}

/** Refuses `commands` when nobody who is connected by ssh could connect anew: they are tried on a copy of the configuration. */
async function refuseLockoutBy(target: PosixTarget, commands: readonly (readonly string[])[]): Promise<void> {
  const tried = [...commands, ["--force", "enable"]].map((words) => `ufw ${shellWords(words)} >/dev/null`);
  const inside = `mount -t tmpfs none /mnt && cp -a /etc/ufw /mnt/ufw && cp -a ${DEFAULTS} /mnt/default &&
sed -i "s/^ENABLED=.*/ENABLED=no/" /mnt/ufw/ufw.conf && mount --bind /mnt/ufw /etc/ufw && mount --bind /mnt/default ${DEFAULTS} && mount -t tmpfs none /run && ${tried.join(" && ")}`;
  await refuseLockout(
    target,
    await sshConnections(target),
    `unshare --mount sh -c ${shellQuote(inside)}`,
    "",
  );
}

/**
 * ufw filters, now and after each boot: by default it will "deny", "allow" or "reject" what comes in (default: deny), goes
 * out (allow) or is routed (deny), besides its rules. Put those that allow ssh before it: if who is connected by ssh could
 * not connect anew, it is refused, as for `nftables.ruleset`. ufw must be installed. Unapplying it disables ufw; its rules
 * stay.
 *
 * @example ufw.enabled()
 */
export const enabled = defprop({
  name: "ufw.enabled",
  kind: "posix",
  args: enabledArgs,
  call: ({ incoming = "deny", outgoing = "allow", routed = "deny" }: Partial<Policies> = {}) => ({
    incoming,
    outgoing,
    routed,
  }),
  desc: ({ incoming }) => `ufw enabled, incoming: ${incoming}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: async (args, target) => {
    const found = await settings(target, DEFAULTS);
    const holds = chains.every(
      (each) => found.get(`DEFAULT_${CHAINS[each]}_POLICY`) === POLICIES[args[each]],
    );
    return holds && isEnabled(target);
  },
  apply: async (args, target) => {
    await needsRoot(target, "ufw.enabled");
    await needsProgram(target, needs);
    if (isInhibited(target)) {
      const edit = (lines: readonly string[]) =>
        lines.map((line) => {
          const each = chains.find((chain) => line.startsWith(`DEFAULT_${CHAINS[chain]}_POLICY=`));
          return each ? `DEFAULT_${CHAINS[each]}_POLICY="${POLICIES[args[each]]}"` : line;
        });
      await target.editLines(DEFAULTS, edit);
      await target.editLines(CONFIGURATION, (lines) =>
        lines.map((line) => (line.startsWith("ENABLED=") ? "ENABLED=yes" : line)),
      );
      return "changed";
    }
    const defaults = chains.map((each) => ["default", args[each], each]);
    await refuseLockoutBy(target, defaults);
    await ufw(target, [...defaults, ["--force", "enable"]]);
    return "changed";
  },
  unapply: async (_args, target) => {
    await needsRoot(target, "ufw.enabled");
    if (!(await isEnabled(target))) return "unchanged";
    await ufw(target, [["disable"]]);
    return "changed";
  },
});

const ruleArgs = object({
  port: string({
    pattern: "^[0-9]+(:[0-9]+)?(/(tcp|udp))?$|^[0-9]+(,[0-9]+)+/(tcp|udp)$",
    description:
      'a port with its protocol, such as "22/tcp", or ports, such as "6000:6007/tcp" or "80,443/tcp"',
  }),
  from: optional(
    string({
      pattern: "^[0-9a-fA-F:.]+(/[0-9]+)?$",
      description: 'an address or a network, such as "192.0.2.0/24"',
    }),
  ),
});
type Rule = schema.Infer<typeof ruleArgs>;
type Action = "allow" | "deny" | "limit";

const callOfRule = (port: string, options: Omit<Rule, "port"> = {}): Rule => ({ port, ...options });
const whatFor = ({ port, from }: Rule): string => `port ${port}${from === undefined ? "" : ` from ${from}`}`;

/** What is declared, as "action port". */
const declared = attribute<string>("ufw/rules");

function declare(host: HostModel, action: Action, rule: Rule): void {
  os.required(host, "debianlike");
  if (/^\d+:\d+$/.test(rule.port))
    throw new InapplicableProperty(
      `ufw wants a protocol for the ports ${rule.port}; write "${rule.port}/tcp" or "${rule.port}/udp"`,
    );
  const other = host
    .all(declared)
    .find((each) => each.endsWith(` ${whatFor(rule)}`) && !each.startsWith(action));
  if (other !== undefined)
    throw new InapplicableProperty(
      `an earlier property has "${other}" already, and ufw has one rule for that; remove one of the two`,
    );
  host.pushNew(declared, `${action} ${whatFor(rule)}`);
}

const wordsOf = (action: Action, { port, from }: Rule): string[] => {
  const [ports = "", protocol] = port.split("/");
  return [
    action,
    ...(protocol ? ["proto", protocol] : []),
    "from",
    from ?? "any",
    "to",
    "any",
    "port",
    ports,
  ];
};

/** Whether the files of ufw have the rule, for both versions of IP that it is for. */
async function hasRule(target: PosixTarget, action: Action, { port, from }: Rule): Promise<boolean> {
  const [ports, protocol = "any"] = port.split("/");
  const forIPv6 =
    from === undefined ? (await settings(target, DEFAULTS)).get("IPV6") !== "no" : from.includes(":");
  const versions = [
    ...(from?.includes(":") ? [] : [["/etc/ufw/user.rules", "0.0.0.0/0"]]),
    ...(forIPv6 ? [["/etc/ufw/user6.rules", "::/0"]] : []),
  ];
  const found = await Promise.all(
    versions.map(async ([file = "", any = ""]) => {
      const tuple = `### tuple ### ${action} ${protocol} ${ports} ${any} any ${from ?? any} in`;
      return (await target.readLines(file)).some((line) => line === tuple || line.startsWith(`${tuple} `));
    }),
  );
  return found.every(Boolean);
}

async function addRule(target: PosixTarget, property: string, action: Action, rule: Rule): Promise<Change> {
  await needsRoot(target, property);
  await needsProgram(target, needs);
  const command = wordsOf(action, rule);
  if (action !== "allow" && !isInhibited(target) && (await isEnabled(target)))
    await refuseLockoutBy(target, [command]);
  await ufw(target, [command]);
  if (await hasRule(target, action, rule)) return "changed";
  throw new AbortedChange(
    `ufw has noted another rule than \`ufw ${shellWords(command)}\`; write addresses and ports as \`ufw show added\` does`,
  );
}

async function removeRule(
  target: PosixTarget,
  property: string,
  action: Action,
  rule: Rule,
): Promise<Change> {
  await needsRoot(target, property);
  if (!(await hasRule(target, action, rule))) return "unchanged";
  const command = ["--force", "delete", ...wordsOf(action, rule)];
  if (action === "allow" && !isInhibited(target) && (await isEnabled(target)))
    await refuseLockoutBy(target, [command]);
  await ufw(target, [command]);
  return "changed";
}

/**
 * ufw allows connections to `port`, such as "22/tcp", from anywhere, or from the address or network `from`. It holds as soon
 * as ufw is enabled. ufw must be installed. Unapplying it removes the rule; if who is connected by ssh could not connect
 * anew, it is refused.
 *
 * @example ufw.allows("22/tcp")
 * @example ufw.allows("5432/tcp", { from: "192.0.2.0/24" })
 */
export const allows = defprop({
  name: "ufw.allows",
  kind: "posix",
  args: ruleArgs,
  call: callOfRule,
  desc: (rule) => `ufw allows ${whatFor(rule)}`,
  hostattrs: (rule, host) => declare(host, "allow", rule),
  check: (rule, target) => hasRule(target, "allow", rule),
  apply: (rule, target) => addRule(target, "ufw.allows", "allow", rule),
  unapply: (rule, target) => removeRule(target, "ufw.allows", "allow", rule),
});

/**
 * ufw denies connections to `port`, as `ufw.allows` allows them. If who is connected by ssh could not connect anew, it is
 * refused. Unapplying it removes the rule.
 *
 * @example ufw.denies("25/tcp")
 */
export const denies = defprop({
  name: "ufw.denies",
  kind: "posix",
  args: ruleArgs,
  call: callOfRule,
  desc: (rule) => `ufw denies ${whatFor(rule)}`,
  hostattrs: (rule, host) => declare(host, "deny", rule),
  check: (rule, target) => hasRule(target, "deny", rule),
  apply: (rule, target) => addRule(target, "ufw.denies", "deny", rule),
  unapply: (rule, target) => removeRule(target, "ufw.denies", "deny", rule),
});

/**
 * ufw allows connections to `port`, as `ufw.allows`, but an address that has tried six times within 30 seconds is denied.
 * Unapplying it removes the rule.
 *
 * @example ufw.limits("22/tcp")
 */
export const limits = defprop({
  name: "ufw.limits",
  kind: "posix",
  args: ruleArgs,
  call: callOfRule,
  desc: (rule) => `ufw limits ${whatFor(rule)}`,
  hostattrs: (rule, host) => declare(host, "limit", rule),
  check: (rule, target) => hasRule(target, "limit", rule),
  apply: (rule, target) => addRule(target, "ufw.limits", "limit", rule),
  unapply: (rule, target) => removeRule(target, "ufw.limits", "limit", rule),
});
