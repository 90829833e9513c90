/** What firewalld is asked over D-Bus: an answer takes milliseconds, and half a second with firewall-cmd, which starts Python. */
import { shellWords } from "consfigurator";

const NAME = "org.fedoraproject.FirewallD1";
const ROOT = "/org/fedoraproject/FirewallD1";

/** The methods that tell whether a zone has something, by the option of firewall-cmd. */
const METHODS: Readonly<Record<string, string>> = {
  "query-interface": "queryInterface",
  "query-masquerade": "queryMasquerade",
  "query-port": "queryPort",
  "query-rich-rule": "queryRichRule",
  "query-service": "queryService",
  "query-source": "querySource",
};

/**
 * The shell command that asks the daemon what firewall-cmd would with the options `query`: it succeeds when the answer is yes,
 * and prints a value. Undefined for what only firewall-cmd is asked.
 */
export function overDbus(place: "runtime" | "permanent", query: readonly string[]): string | undefined {
  const [, zone, option = "", value] =
    /^(?:--zone=(\S+) )?--([a-z-]+)(?:=(.*))?$/.exec(query.join(" ")) ?? [];
  if (option === "get-default-zone") return `${called(`'${ROOT}'`, NAME, "getDefaultZone")} | ${FIRST}`;
  const method = METHODS[option];
  if (zone === undefined || (method === undefined && option !== "get-target")) return undefined;
  const given = option === "query-port" ? (value ?? "").split("/") : value === undefined ? [] : [value];
  if (place === "runtime")
    return method && `${called(`'${ROOT}'`, `${NAME}.zone`, method, zone, ...given)} | ${YES}`;
  const found = called(`'${ROOT}/config'`, `${NAME}.config`, "getZoneByName", zone);
  const asked = called('"$zone"', `${NAME}.config.zone`, method ?? "getTarget", ...given);
  return `zone=$(${found} | ${FIRST}) && [ -n "$zone" ] && ${asked} | ${method ? YES : FIRST}`;
}

/** A call of `method` with strings. `object`: its path, quoted for the shell. */
const called = (object: string, face: string, method: string, ...strings: readonly string[]): string => {
  const signature = strings.length > 0 ? ["s".repeat(strings.length), ...strings] : [];
  return `busctl call ${NAME} ${object} ${shellWords([face, method, ...signature])} 2>/dev/null`;
};

const YES = "grep -qx 'b true'";
/** The first string of an answer such as `s "public"`. */
const FIRST = `cut -d '"' -f 2`;
