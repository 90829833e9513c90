import type { DeployEvent } from "../../../lib/model/events";

type EventBody = DeployEvent extends infer E
  ? E extends { kind: string }
    ? Omit<E, "host" | "deployment">
    : never
  : never;

/** Events of a deployment of `host`, as the engine emits them. */
export const of = (host: string, ...events: EventBody[]): DeployEvent[] =>
  events.map((event) => ({ host, deployment: `of ${host}`, ...event }) as DeployEvent);

/** A step that changes, one with two children of which one fails, and one that is skipped for that reason. */
export const mixed = (host = "web1.example.org"): DeployEvent[] =>
  of(
    host,
    { kind: "deployment-started", at: "2026-01-01T00:00:00.000Z", hops: ["via.local()"], steps: 5 },
    { kind: "hop-opening", hop: "via.local()" },
    { kind: "hop-opened", hop: "via.local()", ms: 1, reused: false },
    {
      kind: "step-started",
      step: 1,
      property: "apt.installed",
      desc: "nginx is installed",
      site: "hosts/web.ts:5:3",
    },
    { kind: "step-output", step: 1, stream: "stdout", text: "Setting up nginx\n" },
    { kind: "step-ended", step: 1, status: "changed", ms: 1234 },
    {
      kind: "step-started",
      step: 2,
      property: "site.served",
      desc: "the site is served",
      site: "hosts/web.ts:6:3",
    },
    {
      kind: "step-started",
      step: 3,
      parent: 2,
      property: "file.hasContent",
      desc: "content of /srv/index.html",
      site: "properties/site.ts:9:5",
    },
    { kind: "step-ended", step: 3, status: "unchanged", ms: 1 },
    {
      kind: "step-started",
      step: 4,
      parent: 2,
      property: "cmd.single",
      desc: "nginx -t",
      site: "properties/site.ts:10:5",
    },
    {
      kind: "step-output",
      step: 4,
      stream: "stderr",
      text: "nginx: \u001b[31mbad\u001b[0m config\nin line 3\n",
    },
    {
      kind: "step-ended",
      step: 4,
      status: "failed",
      ms: 40,
      failure: {
        name: "RunFailed",
        message: "`nginx -t` ended with exit code 1: in line 3",
        stack: "    at run (node:internal/x:1:1)\n    at serve (/srv/consfig/properties/site.ts:10:5)",
      },
    },
    { kind: "step-ended", step: 2, status: "failed", ms: 41 },
    {
      kind: "step-started",
      step: 5,
      property: "systemd.started",
      desc: "nginx runs",
      site: "hosts/web.ts:7:3",
    },
    { kind: "step-ended", step: 5, status: "skipped", ms: 0, reason: "site.served failed" },
    { kind: "deployment-ended", status: "failed", ms: 1300 },
  );

/** A deployment with nothing to do. */
export const calm = (host: string, steps = 2): DeployEvent[] =>
  of(
    host,
    { kind: "deployment-started", at: "2026-01-01T00:00:00.000Z", hops: [], steps },
    ...Array.from({ length: steps }, (_, index): EventBody[] => [
      { kind: "step-started", step: index, property: "p.q", desc: `step ${index}`, site: "hosts/a.ts:1:1" },
      { kind: "step-ended", step: index, status: "unchanged", ms: 1 },
    ]).flat(),
    { kind: "deployment-ended", status: "unchanged", ms: 12 },
  );

/** A host that could not be reached. */
export const unreachable = (host: string): DeployEvent[] =>
  of(
    host,
    { kind: "hop-opening", hop: 'via.ssh({ user: "root" })' },
    {
      kind: "deployment-ended",
      status: "failed",
      ms: 20,
      failure: { name: "ConnectionFailed", message: "via.ssh(): connection refused; is sshd running there?" },
    },
  );

/** A verbose deployment: commands of an unchanged step, of a changed one, and outside of steps. */
export const verbose = (host = "web1.example.org"): DeployEvent[] =>
  of(
    host,
    { kind: "deployment-started", at: "2026-01-01T00:00:00.000Z", hops: [], steps: 2, verbose: true },
    { kind: "hop-opening", hop: "via.ssh()" },
    { kind: "hop-opened", hop: "via.ssh()", ms: 120, reused: false },
    { kind: "upload", what: "Node 24", sent: 1e6, total: 2.5e6 },
    { kind: "upload", what: "Node 24", sent: 2.5e6, total: 2.5e6 },
    { kind: "hop-opened", hop: "via.agent()", ms: 0, reused: true },
    { kind: "command-ran", command: "test -e /mark", exit: 1, ms: 2 },
    {
      kind: "step-started",
      step: 1,
      property: "apt.installed",
      desc: "nginx is installed",
      site: "hosts/web.ts:5:3",
    },
    { kind: "command-ran", step: 1, command: "dpkg -s nginx", exit: 0, ms: 12.4 },
    { kind: "step-ended", step: 1, status: "unchanged", ms: 13 },
    { kind: "step-started", step: 2, property: "cmd.single", desc: "waits", site: "hosts/web.ts:6:3" },
    { kind: "step-output", step: 2, stream: "stdout", text: "waiting\n" },
    {
      kind: "command-ran",
      step: 2,
      command: "echo waiting\n  \u001b[31msleep\u001b[0m 1\n",
      exit: 0,
      ms: 1020,
    },
    { kind: "command-ran", step: 2, command: "sleep 60", ms: 5 },
    { kind: "step-changed", step: 2, change: { kind: "command", command: "echo waiting; sleep 1" } },
    { kind: "step-ended", step: 2, status: "changed", ms: 1030 },
    { kind: "deployment-ended", status: "changed", ms: 1300 },
  );
