/**
 * Type tests of definitions and consfigs. This file is only compiled, never run; an expected error that does not occur
 * is an error.
 */

import {
  type AgentTarget,
  as,
  attribute,
  type Change,
  defhop,
  defhost,
  defprop,
  defproplist,
  deploy,
  deployThese,
  onChange,
  type PosixTarget,
  type PropApp,
  schema,
  via,
} from "../../lib";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_proof: Equal<A, B>): void => {};

const { boolean, either, integer, json, list, nullable, object, oneOf, optional, propapp, record, string } =
  schema;

// A schema has a static type; arguments are frozen, so their type is read-only.
const fields = object({
  name: string(),
  port: optional(integer()),
  on: boolean(),
  tags: list(string()),
  suite: oneOf("stable", "testing"),
  none: nullable(string()),
  some: either(integer(), list(string())),
  map: record(integer()),
  then: propapp(),
  any: json(),
});
same<
  schema.Infer<typeof fields>,
  {
    readonly name: string;
    readonly on: boolean;
    readonly tags: string[];
    readonly suite: "stable" | "testing";
    readonly none: string | null;
    readonly some: number | string[];
    readonly map: Record<string, number>;
    readonly then: PropApp;
    readonly any: unknown;
    readonly port?: number | undefined;
  }
>(true);

// Slots get the arguments and the target of their kind; `call` declares its own parameters.
export const listens = defprop({
  name: "types.listens",
  kind: "posix",
  args: object({ port: integer(), on: optional(string()) }),
  call: (port: number, options: { on?: string } = {}) => ({ port, ...options }),
  desc: ({ port }) => `listens on ${port.toFixed()}`,
  check: async (args, target) => {
    same<typeof args, { readonly port: number; readonly on?: string | undefined }>(true);
    same<typeof target, PosixTarget>(true);
    return true;
  },
  apply: async ({ port }, target): Promise<Change> => target.ensureContent("/etc/port", `${port}\n`),
});
same<
  typeof listens extends (...args: infer P) => unknown ? P : never,
  [port: number, options?: { on?: string } | undefined]
>(true);

export const inAgent = defprop({
  name: "types.inAgent",
  kind: "agent",
  args: object({}),
  apply: async (_args, target) => {
    same<typeof target, AgentTarget>(true);
    return "changed";
  },
});

defprop({
  name: "types.noChange",
  kind: "posix",
  args: object({}),
  // @ts-expect-error apply must return whether it changed anything
  apply: async () => {},
});

defprop({
  name: "types.otherChange",
  kind: "posix",
  args: object({}),
  // @ts-expect-error apply returns "changed" or "unchanged"
  apply: async () => "done",
});

defprop({
  name: "types.otherCall",
  kind: "posix",
  args: object({ port: integer() }),
  // @ts-expect-error call must return the arguments of the schema
  call: (port: string) => ({ port }),
  apply: async () => "changed",
});

defprop({
  name: "types.otherKind",
  // @ts-expect-error kind is "posix" or "agent"
  kind: "lisp",
  args: object({}),
  apply: async () => "changed",
});

defproplist({
  name: "types.list",
  args: object({}),
  parts: () => [listens(80), null, false, undefined],
  // @ts-expect-error a property list has no apply
  apply: async () => "changed",
});

// @ts-expect-error a property list requires parts
defproplist({ name: "types.noParts", args: object({}) });

// A consfig: errors are found before anything runs.
export const application: PropApp = listens(80, { on: "::1" });
// @ts-expect-error a port is a number
listens("80");
// @ts-expect-error there is no such option
listens(80, { onn: "::1" });
// @ts-expect-error an application is frozen
application.property = "other";

export const host = defhost(
  "web1.example.org",
  { deploy: [via.local(), via.sudo({ user: "root" })], desc: "the web" },
  Math.random() > 0.5 && listens(80),
  onChange(listens(81), inAgent({}), null),
  as("root", undefined),
);
// @ts-expect-error a property must be called
defhost("web1", listens);
// @ts-expect-error there is no such option
defhost("web1", { deplyo: [] });
// @ts-expect-error a hop must be called
defhost("web1", { deploy: [via.local] });
// @ts-expect-error deploy must be a list of hops
defhost("web1", { deploy: via.local() });
// @ts-expect-error onChange requires a property
onChange();
// @ts-expect-error an account is a string
via.sudo({ user: 0 });

// One host returns a report, several hosts a fleet report.
export async function deployments(): Promise<void> {
  const one = await deploy(host, via.local(), listens(80), false);
  same<typeof one.steps, readonly import("../../lib").StepReport[]>(true);
  const many = await deploy([host, host], [via.local(), via.sudo()]);
  same<typeof many.reports, readonly import("../../lib").Report[]>(true);
  const these = await deployThese("203.0.113.7", listens(80));
  same<typeof these.ok, boolean>(true);
  // @ts-expect-error a host name alone has no properties
  deploy("203.0.113.7");
  // @ts-expect-error a property must be called
  deploy(host, listens);
}

// Facts are typed; pushed values must match.
const ports = attribute<number>("types/ports");
defprop({
  name: "types.facts",
  kind: "posix",
  args: object({}),
  hostattrs: (_args, model) => {
    model.push(ports, 80, 81);
    same<ReturnType<typeof model.all<number>>, readonly number[]>(true);
    const newest = model.newest(ports);
    same<typeof newest, number | undefined>(true);
    // @ts-expect-error a port is a number
    model.push(ports, "80");
  },
});

defhop({
  name: "types",
  args: object({ to: string() }),
  // @ts-expect-error open must return a connection
  open: async ({ to }) => to,
});
