/** The bridge that test machines share, and their way out through this computer. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { run, runSync } from "./_run";
import { cacheDirectory, whenProcessEnds } from "./_slots";

export const bridge = "cfgtest";
export const gateway = "198.18.0.1";
export const prefixLength = 16;

/** The address of the machine of a slot. */
export function addressOf(slot: number): string {
  return `198.18.${slot >> 8}.${slot & 255}`;
}

/** The largest packet that leaves this computer: machines that send larger ones wait for answers that never come. */
export function mtu(): number {
  try {
    const routes = readFileSync("/proc/net/route", "utf8").split("\n").slice(1);
    const fields = routes
      .map((route) => route.split("\t"))
      .find(([, destination]) => destination === "00000000");
    return Number(readFileSync(`/sys/class/net/${fields?.[0]}/mtu`, "utf8"));
  } catch {
    return 1500;
  }
}

/**
 * The bridge is up and machines on it reach the world. To be called for each machine, after its slot was taken: the
 * bridge goes away with the last slot.
 */
export async function networkUp(): Promise<void> {
  if (!hooked) whenProcessEnds(removeUnusedNetwork);
  hooked = true;
  await run(["flock", lock, "sh", "-ec", upScript]);
}

let hooked = false;
const lock = path.join(cacheDirectory, "network.lock");
const forwardBefore = path.join(cacheDirectory, "ip_forward.before");

const upScript = `
if ! ip link show dev ${bridge} >/dev/null 2>&1; then
  ip link add ${bridge} type bridge forward_delay 0
  ip address add ${gateway}/${prefixLength} dev ${bridge}
  ip link set ${bridge} up
fi
[ -e ${forwardBefore} ] || cat /proc/sys/net/ipv4/ip_forward > ${forwardBefore}
echo 1 > /proc/sys/net/ipv4/ip_forward
nft list table ip cfgtest >/dev/null 2>&1 || nft -f - <<'RULES'
table ip cfgtest {
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip saddr ${addressOf(0)}/${prefixLength} oifname != "${bridge}" masquerade
  }
}
RULES
`;

const downScript = `
for record in ${cacheDirectory}/machines/*.json; do
  [ ! -e "$record" ] || exit 0
done
ip link delete ${bridge} 2>/dev/null || true
nft delete table ip cfgtest 2>/dev/null || true
[ ! -e ${forwardBefore} ] || { cat ${forwardBefore} > /proc/sys/net/ipv4/ip_forward; rm ${forwardBefore}; }
`;

/** The network is gone afterwards, unless there is a machine of whichever process. */
export function removeUnusedNetwork(): void {
  try {
    runSync(["flock", lock, "sh", "-ec", downScript]);
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
  }
}
