/** The firewall of the kernel, by nftables. */
import {
  defprop,
  FailedChange,
  InapplicableProperty,
  type PosixTarget,
  schema,
  shellQuote,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import { content, type Lines, wholeText } from "./_lines";
import { needsRoot } from "./_needs";
import { tablesIn } from "./_nftablesTables";
import * as os from "./_os";
import { needsProgram, refuseAnother } from "./_ownFile";
import { refuseLockout, sshConnections } from "./_sshTrial";
import { enabledState, linkedState, systemctl } from "./_systemctl";
import { refusal } from "./_validate";

const { object } = schema;

const FILE = "/etc/nftables.conf";
const HEAD = "#!/usr/sbin/nft -f\n# Written by nftables.ruleset.\n";

/** Replaces the tables that `text` declares, and leaves others alone. */
const replacing = (tables: readonly string[]): string =>
  tables.map((each) => `table ${each}\ndelete table ${each}\n`).join("");

const fileText = (text: string): string => `${HEAD}${replacing(tablesIn(text))}\n${text}`;

/** The tables that the file of this property has declared so far. */
const tablesOf = (file: string): string[] =>
  file.startsWith(HEAD) ? [...file.matchAll(/^delete table (.+)$/gm)].map(([, table = ""]) => table) : [];

/** Whether the kernel has the tables as `text` declares them: what nft lists of both is compared, without elements of sets. */
async function isLoaded(target: PosixTarget, text: string): Promise<boolean> {
  const list = tablesIn(text)
    .map((each) => `nft -s -t list table ${each}`)
    .join(" && ");
  const expected = `ip link set lo up; for each in $DEVICES; do [ "$each" = lo ] || ip link add "$each" type dummy; done 2>/dev/null; printf "%s\\n" "$RULES" | nft -f - && ${list}`;
  const script = `RULES=$(cat) DEVICES=$(ls /sys/class/net); export RULES DEVICES
live=$(${list}) || exit 1
expected=$(unshare --net sh -c ${shellQuote(expected)}) || exit 0
[ "$live" = "$expected" ]`;
  return target.succeeds(script, { input: text, about: { paths: [KERNEL] } });
}

/** Stands for the rules in the kernel. */
const KERNEL = "/proc/net/nftables";

/**
 * The kernel has the tables of nftables that `content` declares, now and after each boot: it is in /etc/nftables.conf, and
 * nftables.service is enabled. These tables are replaced at once, and have nothing else; other tables stay, such as those of
 * Docker and fail2ban.
 *
 * New rules are checked by nft before they are loaded. They cannot lock out those who are connected: whether sshd would
 * accept a new connection from each address that it serves now, at the same address and port, is tried in a network namespace
 * with these rules, the interfaces of the host and a peer. Rules that fail there are refused. A plan tries that, too.
 *
 * `content` has no `flush ruleset`, which would remove the tables of others. nftables must be installed. Unapplying it removes these tables.
 *
 * @example nftables.ruleset(["table inet filter {", "  chain input {", "    type filter hook input priority filter; policy drop;", "    ct state established,related accept", "    iif lo accept", "    icmp type echo-request accept", "    icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept", "    tcp dport { 22, 80, 443 } accept", "  }", "}"])
 */
export const ruleset = defprop({
  name: "nftables.ruleset",
  kind: "posix",
  args: object({ content: content() }),
  call: (content: Lines) => ({ content }),
  desc: ({ content }) => `rules of nftables: ${tablesIn(wholeText(content)).join(", ")}`,
  hostattrs: ({ content }, host) => {
    os.required(host, "debianlike");
    const text = wholeText(content);
    if (/^[ \t]*flush\s+ruleset/m.test(text))
      throw new InapplicableProperty(
        "`flush ruleset` would remove the tables of others; leave it out: the tables that are declared are replaced",
      );
    if (tablesIn(text).length === 0)
      throw new InapplicableProperty("no table is declared; write `table inet filter { … }`");
    refuseAnother(host, FILE, text);
  },
  check: async ({ content }, target) => {
    const text = wholeText(content);
    const found = (await target.readBytes(FILE))?.toString();
    if (found !== fileText(text)) return false;
    if (isInhibited(target)) return true;
    const unit = { unit: "nftables.service" };
    const state = (await linkedState(target, unit)) ?? (await enabledState(target, unit)).state;
    return state === "enabled" && isLoaded(target, text);
  },
  apply: async ({ content }, target) => {
    await needsRoot(target, "nftables.ruleset");
    await needsProgram(target, { program: "nft", package: "nftables" });
    const text = wholeText(content);
    const before = (await target.readBytes(FILE))?.toString() ?? "";
    const gone = tablesOf(before).filter((each) => !tablesIn(text).includes(each));
    const wanted = fileText(text);
    await refuseInvalid(target, wanted);
    if (!isInhibited(target)) {
      await refuseLockout(target, await sshConnections(target), "nft -f -", wanted);
      await load(target, replacing(gone) + wanted);
    }
    await target.ensureContent(FILE, wanted);
    await systemctl(target, ["enable", "nftables.service"], {});
    return "changed";
  },
  unapply: async ({ content }, target) => {
    await needsRoot(target, "nftables.ruleset");
    const own = (await target.readBytes(FILE))?.toString() ?? "";
    if (own !== fileText(wholeText(content))) return "unchanged";
    if (!isInhibited(target)) await load(target, replacing(tablesOf(own)));
    await systemctl(target, ["disable", "nftables.service"], {});
    await target.ensureContent(FILE, "#!/usr/sbin/nft -f\n");
    return "changed";
  },
});

async function refuseInvalid(target: PosixTarget, text: string): Promise<void> {
  const { exit, stderr } = await target.query(["nft", "-c", "-f", "-"], {
    input: text,
    mayFail: true,
    about: { paths: [KERNEL] },
  });
  if (exit !== 0) throw refusal("nft -c -f -", FILE, stderr.replaceAll("/dev/stdin", FILE).trim(), exit);
}

async function load(target: PosixTarget, text: string): Promise<void> {
  const { exit, stderr } = await target.run(["nft", "-f", "-"], {
    input: text,
    mayFail: true,
    predict: (model) => {
      model.mayChange({ paths: [KERNEL] });
      return undefined;
    },
  });
  if (exit !== 0) throw new FailedChange(`nft did not load the rules: ${stderr.trim()}`);
}
