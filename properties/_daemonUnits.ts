/** The text of a daemon's systemd units. */
import { execWord, unitText, unitWord } from "./_unitText";

export interface UnitOptions {
  readonly name: string;
  readonly executable: string;
  readonly description?: string | undefined;
  readonly listen?: readonly string[] | undefined;
  readonly socketSettings?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly state?: boolean | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** True: neither the socket nor systemd starts it a second time. */
  readonly startsOnce?: boolean;
}

const NOTE = "# Written by daemon.running, which overwrites edits.";

export function serviceUnit(daemon: UnitOptions): string {
  const { name, description = name, listen = [] } = daemon;
  const sockets = listen.length > 0 ? [["Requires", `${name}.socket`] as const] : [];
  const after = ["network.target", ...sockets.map(([, socket]) => socket)].join(" ");
  return unit({
    Unit: [["Description", unitText(description)], ["After", after], ...sockets, ...startLimit(daemon)],
    Service: [
      ["ExecStart", execWord(daemon.executable)],
      ...Object.entries(daemon.environment ?? {}).map(
        ([key, value]) => ["Environment", unitWord(`${key}=${value}`)] as const,
      ),
      ...Object.entries({ ...defaults, ...identity(daemon), ...hardening, ...daemon.settings }),
    ],
    Install: [["WantedBy", "multi-user.target"]],
  });
}

const startLimit = ({ startsOnce = false }: UnitOptions): Settings =>
  startsOnce
    ? [
        ["StartLimitIntervalSec", "infinity"],
        ["StartLimitBurst", "1"],
      ]
    : [["StartLimitIntervalSec", "0"]];

/** Connections wait here while the service restarts; they are never refused. */
export const socketUnit = ({ name, description = name, listen = [], socketSettings }: UnitOptions): string =>
  unit({
    Unit: [["Description", `${unitText(description)} (socket)`]],
    Socket: [
      ...listen.map((address) => ["ListenStream", address] as const),
      ...Object.entries({ ...socketDefaults, ...socketSettings }),
    ],
    Install: [["WantedBy", "sockets.target"]],
  });

type Settings = readonly (readonly [key: string, value: string])[];

const unit = (sections: Readonly<Record<string, Settings>>): string =>
  `${NOTE}\n${Object.entries(sections)
    .map(([section, settings]) =>
      [`\n[${section}]`, ...settings.map(([key, value]) => `${key}=${value}`), ""].join("\n"),
    )
    .join("")}`;

const defaults = {
  Type: "exec",
  Restart: "always",
  RestartSec: "1",
  TimeoutStopSec: "30",
  LimitNOFILE: "65536",
};

/** RemoveOnStop: of a stopped service, no Unix socket is left. */
const socketDefaults = { Backlog: "4096", TriggerLimitIntervalSec: "0", RemoveOnStop: "yes" };

const identity = ({ name, user, state }: UnitOptions): Record<string, string> => ({
  ...(user === undefined ? { DynamicUser: "yes" } : { User: user }),
  ...(state && { StateDirectory: name, StateDirectoryMode: "0700" }),
});

/** Restrictions that a network service does not notice. Not MemoryDenyWriteExecute: V8 generates code at run time. */
const hardening: Readonly<Record<string, string>> = {
  CapabilityBoundingSet: "",
  NoNewPrivileges: "yes",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  PrivateDevices: "yes",
  PrivateUsers: "yes",
  ProtectClock: "yes",
  ProtectControlGroups: "yes",
  ProtectHostname: "yes",
  ProtectKernelLogs: "yes",
  ProtectKernelModules: "yes",
  ProtectKernelTunables: "yes",
  ProtectProc: "invisible",
  ProcSubset: "pid",
  RestrictAddressFamilies: "AF_INET AF_INET6 AF_UNIX",
  RestrictNamespaces: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
  RemoveIPC: "yes",
  LockPersonality: "yes",
  KeyringMode: "private",
  SystemCallArchitectures: "native",
  SystemCallFilter: "@system-service",
  SystemCallErrorNumber: "EPERM",
  UMask: "0077",
};
