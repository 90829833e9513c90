/** Whether the host still accepts its ssh connections with other rules of its firewall, tried where nothing can break. */
import { AbortedChange, type PosixTarget } from "consfigurator";

/** A connection by which sshd serves someone now. */
export interface SshConnection {
  readonly own: string;
  readonly port: number;
  readonly peer: string;
}

/** The connections to sshd, each peer once, whoever they belong to: this deployment's is among them when it came by ssh. */
export async function sshConnections(target: PosixTarget): Promise<SshConnection[]> {
  const { stdout } = await target.query(["ss", "-Htnp", "state", "established"], { about: {} });
  return connectionsIn(stdout);
}

/**
 * The connections in the output of ss(8), but those of link-local addresses, which name an interface and cannot be tried
 * elsewhere.
 */
export function connectionsIn(printed: string): SshConnection[] {
  const found = printed
    .split("\n")
    .filter((line) => /"(sshd|dropbear)/.test(line))
    .flatMap((line) => {
      const [own, peer] = line.trim().split(/\s+/).slice(2, 4).map(endpoint);
      const isLocal = own?.address.startsWith("fe80:");
      return own && peer && !isLocal ? [{ own: own.address, port: own.port, peer: peer.address }] : [];
    });
  return [...new Map(found.map((each) => [JSON.stringify(each), each])).values()];
}

/** `[::ffff:192.0.2.1]:22` is a connection over IPv4. */
function endpoint(text: string): { readonly address: string; readonly port: number } | undefined {
  const [, address, port] = /^\[?(.*?)\]?(?:%[^:\]]*)?:(\d+)$/.exec(text) ?? [];
  if (address === undefined) return undefined;
  return { address: address.replace(/^::ffff:(?=\d+\.)/, ""), port: Number(port) };
}

/**
 * Throws `AbortedChange` when one of `connections` could not be opened anew with the firewall that `load` sets up: shell
 * text, which gets `rules` in its standard input. It is tried in a network namespace that has the same interfaces, from the
 * same address.
 */
export async function refuseLockout(
  target: PosixTarget,
  connections: readonly SshConnection[],
  load: string,
  rules: string,
): Promise<void> {
  for (const { own, port, peer } of connections) {
    const { exit, stdout, stderr } = await target.query(TRIAL, {
      input: rules,
      env: { OWN: own, PORT: String(port), PEER: peer, LOAD: load, BITS: own.includes(":") ? "128" : "32" },
      mayFail: true,
      about: {},
    });
    const answer = stdout.trim().split("\n").at(-1);
    if (exit === 0 && answer === "accepted") continue;
    if (answer === "refused")
      throw new AbortedChange(
        `with these rules, the host would accept no further connection from ${peer} to port ${port} of ${own}, by which sshd serves it now, so they were not loaded; accept new connections to that port`,
      );
    throw new AbortedChange(
      `it cannot be tried whether ${peer} could still connect to port ${port} of ${own} with these rules, so they were not loaded: ${(stderr || stdout).trim() || `exit code ${exit}`}`,
    );
  }
}

/** Prints "accepted" or "refused". Both namespaces end with their last process. */
const TRIAL = `set -e
for each in ip unshare nsenter perl; do command -v $each >/dev/null || { echo "$each is not installed" >&2; exit 1; }; done
RULES=$(cat)
DEV=$(ip -o route get "$PEER" | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')
DEVICES=$(ls /sys/class/net)
export RULES DEV DEVICES
exec unshare --net sh -ec '
ip link set lo up
for each in $DEVICES; do [ "$each" = lo ] || [ "$each" = "$DEV" ] || ip link add "$each" type dummy 2>/dev/null || :; done
inside=
if [ "$DEV" = lo ]; then
  ip address add "$OWN/$BITS" dev lo 2>/dev/null || :
  ip address add "$PEER/$BITS" dev lo 2>/dev/null || :
else
  unshare --net sleep 30 >/dev/null 2>&1 & other=$!
  trap "kill $other" EXIT
  here=$(readlink /proc/self/ns/net)
  until [ "$(readlink /proc/$other/ns/net)" != "$here" ]; do sleep 0.02; done
  inside="nsenter --net --target $other"
  ip link add "$DEV" type veth peer name peer netns "$other"
  nodad=; case $OWN in *:*) nodad=nodad;; esac
  ip address add "$OWN/$BITS" dev "$DEV" $nodad
  $inside ip address add "$PEER/$BITS" dev peer $nodad
  ip link set "$DEV" up
  $inside ip link set peer up
  ip route add "$PEER/$BITS" dev "$DEV"
  $inside ip route add "$OWN/$BITS" dev peer
fi
printf "%s\\n" "$RULES" | sh -c "$LOAD"
perl -MIO::Socket::IP -e "
  my \\$l = IO::Socket::IP->new(LocalHost => \\$ENV{OWN}, LocalPort => \\$ENV{PORT}, Listen => 1) or die \\"cannot listen: \\$@\\n\\";
  sleep 30" & server=$!
trap "kill $server \${other:-}" EXIT
until ss -Htln | grep -q .; do kill -0 $server; sleep 0.02; done
$inside perl -MIO::Socket::IP -e "
  my \\$s = IO::Socket::IP->new(PeerHost => \\$ENV{OWN}, PeerPort => \\$ENV{PORT}, LocalHost => \\$ENV{PEER}, Timeout => 5);
  print \\$s ? \\"accepted\\n\\" : \\"refused\\n\\""
'`;
