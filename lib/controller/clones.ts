import { inspect } from "node:util";
import type { LayerChange } from "../connection/clone-layers";
import type { FileChange } from "../model/changes";
import type { Connection } from "../model/connection";
import { ConsfigError, refuseArguments } from "../model/errors";
import type { Hop } from "../model/hop";
import type { Host } from "../model/host";
import { CloneWatch } from "./clone-watch";
import { isHost, shown } from "./deploy";
import { fileChanges } from "./layer-changes";
import { lease } from "./leases";
import { prepareDeployment } from "./prepared-deployment";
import { openedHere, throughClone } from "./rehearsal-run";
import { session } from "./session";

/** A clone of a host that is kept until it is discarded, or the session ends. */
export class HostClone {
  constructor(
    /** The name of the host. */
    readonly host: string,
    /** The name that its properties give the host: its connections have that. */
    readonly named: string,
    /** The hops into the clone: `deploy(web1, clone.hops)`. */
    readonly hops: readonly Hop[],
    private readonly watch: CloneWatch,
  ) {}

  /** The files that differ from those of the host, and were changed since the clone was made. */
  async diff(): Promise<FileChange[]> {
    return fileChanges(this.outside, await this.changes());
  }

  /** Ends all that runs in the clone, and its changes with it. */
  async discard(): Promise<void> {
    all.delete(this);
    await session.connections.end(openedHere(this.hops), this.named);
  }

  /** As `diff`, without contents. */
  changes(): Promise<LayerChange[]> {
    if (!this.isOpen)
      throw new ConsfigError(`this clone of ${this.host} has ended; make a new one: clone(…)`);
    return this.watch.changes();
  }

  get outside(): Connection {
    return this.watch.outside;
  }

  get isOpen(): boolean {
    return session.connections.isOpen(openedHere(this.hops), this.named);
  }

  [inspect.custom](): string {
    return `a clone of ${this.host}${this.isOpen ? "" : ", which has ended"}`;
  }
}

const all = new Set<HostClone>();
let made = 0;

/** The clones of this session that have not ended, in the order in which they were made. */
export const openClones = (): HostClone[] => [...all].filter(({ isOpen }) => isOpen);

/**
 * Makes a copy-on-write clone of `host`, on that host, as `via.clone()` does, and keeps it until it is discarded or the session
 * ends: `deploy(web1, c.hops)` deploys into it, again and again. `hops` replace those of the host; the clone comes before the
 * agent, or else last.
 */
export async function clone(host: Host, ...hops: readonly (Hop | readonly Hop[])[]): Promise<HostClone> {
  refuseArguments("clone", isHost(host) ? [] : [`expected a host from defhost; got ${shown(host)}`], clone);
  const request = {
    scope: "everything",
    fleet: false,
    hosts: [host],
    hops: hops.flat(),
    applications: [],
  } as const;
  const { chain, prepared } = prepareDeployment(host, request, []);
  made += 1;
  const into = throughClone(chain, `kept-${made}`);
  const here = openedHere(into);
  const { name } = prepared.model;
  const { connection, release } = await lease(prepared.model, here);
  try {
    session.connections.keep(here, name);
    const kept = new HostClone(host.name, name, into, await CloneWatch.begin(connection));
    all.add(kept);
    return kept;
  } finally {
    release();
  }
}
