/** The bridge that test machines share, and their route to the internet through this computer. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { run, runSync } from "./_run";
import { cacheDirectory, whenProcessEnds } from "./_slots";

export const bridge = "cfgtest";
export const gateway = "198.18.0.1";
export const prefixLength = 16;

/** The address of the machine in a slot. */
export function addressOf(slot: number): string {
  return `198.18.${slot >> 8}.${slot & 255}`;
}

/** The MTU of this computer: machines that send larger packets would never get an answer. */
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
 * Brings up the bridge and its route to the internet. Call it for each machine, after taking its slot: the bridge is
 * removed with the last slot.
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

/** Removes the network, unless any process still has a machine. */
export function removeUnusedNetwork(): void {
  try {
    runSync(["flock", lock, "sh", "-ec", downScript]);
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
  }
}
