import path from "node:path";
import type { CommandResult } from "../../model/errors";
import type { PlannedAct, PlannedBy, PlannedNode } from "../../model/planned-acts";
import type { HostParts } from "../../model/target";
import { isWithin, overlap } from "../host-parts";
import { type PlannedEntry, PlannedTree } from "./tree";

/** Something that a step may change in a way that the model does not know. Without `parts`: anything. */
interface Disturbance extends PlannedBy {
  readonly parts: HostParts | undefined;
  readonly at: number;
}

interface PlannedAnswer extends PlannedBy {
  readonly result: CommandResult;
  readonly about: HostParts;
  readonly at: number;
}

/** The host as the steps of a plan would leave it, as far as that is known. Shared by all steps of a plan. */
export class PlannedHost {
  readonly tree = new PlannedTree();
  readonly #disturbances: Disturbance[] = [];
  readonly #answers = new Map<string, PlannedAnswer>();
  /** The steps that change anything. */
  readonly #acted = new Map<number, PlannedBy>();
  readonly #acts: PlannedAct[] = [];
  #now = 0;

  /** Everything that was planned, in order. */
  get acts(): readonly PlannedAct[] {
    return this.#acts;
  }

  /** Plans what was planned elsewhere. */
  include(acts: readonly PlannedAct[]): void {
    for (const act of acts) {
      const { step, certain } = act;
      const by = { step, certain };
      if (act.kind === "file") this.put(act.place, act.node, by);
      else if (act.kind === "unknown") this.disturb(act.parts, by);
      else this.answer(act.command, act.result, act.about, by);
    }
  }

  /** The same expectations, to be gone on with apart. */
  copy(): PlannedHost {
    const copy = new PlannedHost();
    copy.include(this.#acts);
    for (const [name, isSet] of this.flags) copy.flags.set(name, isSet);
    return copy;
  }

  /** Results of queries on the host, which nothing changes while it is planned. */
  readonly #asked = new Map<string, Promise<CommandResult>>();
  /** Flags that would be set or cleared, by name. */
  readonly flags = new Map<string, boolean>();

  /** True while the host is as it is, as far as files are concerned. */
  get isUntouched(): boolean {
    return this.tree.isEmpty && this.#disturbances.length === 0;
  }

  /** `place` will be `node`; undefined: removed. */
  put(place: string, node: PlannedNode | undefined, by: PlannedBy): void {
    this.#note({ kind: "file", place, ...(node && { node }), ...by });
    this.tree.set(place, { node, at: this.#now, ...by });
  }

  /** `by` may change `parts` in a way that is not known. */
  disturb(parts: HostParts | undefined, by: PlannedBy): void {
    this.#note({ kind: "unknown", ...(parts && { parts }), ...by });
    this.#disturbances.push({ parts, at: this.#now, ...by });
  }

  /** Queries with the text `command` get `result`, until what it is `about` changes. */
  answer(command: string, result: CommandResult, about: HostParts, by: PlannedBy): void {
    this.#note({ kind: "answer", command, result, about, ...by });
    this.#answers.set(command, { result, about, at: this.#now, ...by });
  }

  /** The result of `ask`, which is called once for each `key`. */
  asked(key: string, ask: () => Promise<CommandResult>): Promise<CommandResult> {
    const known = this.#asked.get(key);
    if (known) return known;
    const asking = ask();
    this.#asked.set(key, asking);
    asking.catch(() => this.#asked.delete(key));
    return asking;
  }

  /** The planned answer to `command`, with the steps on which it depends; undefined when only the host knows it. */
  answerTo(command: string): { result: CommandResult; dependsOn: readonly PlannedBy[] } | undefined {
    const known = this.#answers.get(command);
    if (!known) return undefined;
    const { result, about, at } = known;
    const later = this.#concerning(about, at);
    return { result, dependsOn: known.certain ? later : [known, ...later] };
  }

  /** The steps that may change the answer to a query about `about`; undefined: about anything. */
  changing(about: HostParts | undefined): readonly PlannedBy[] {
    return about ? this.#concerning(about, 0) : [...this.#acted.values()];
  }

  /**
   * The steps that may change what is at `place` after `entry` was planned. `exists`: whether something is there now, on
   * which additions depend.
   */
  changingPlace(place: string, entry: PlannedEntry | undefined, exists: boolean): readonly PlannedBy[] {
    const since = entry?.at ?? 0;
    const disturbing = this.#disturbances.filter(
      ({ at, parts }) =>
        at > since &&
        (!parts ||
          parts.paths?.some((each) => isWithin(place, each)) ||
          (parts.additions === true && !exists && !entry)),
    );
    return entry && !entry.certain ? [entry, ...disturbing] : disturbing;
  }

  /** The steps that may change which names are in the directory `place`, after `entry` was planned. */
  changingNames(place: string, entry: PlannedEntry | undefined): readonly PlannedBy[] {
    // In a new directory is what is planned there: what a package brings besides goes elsewhere.
    const fresh = entry?.node?.fresh === true;
    const since = fresh ? entry.at : 0;
    return this.#disturbances.filter(
      ({ at, parts }) =>
        at > since &&
        (!parts ||
          (parts.additions === true && !fresh) ||
          parts.paths?.some((each) => isWithin(place, each) || path.posix.dirname(each) === place)),
    );
  }

  /** The steps that may change an account or a group; `exists`: whether it is there now. */
  changingAccount(exists: boolean): readonly PlannedBy[] {
    return this.#disturbances.filter(
      ({ parts }) => !parts || parts.accounts === true || (parts.additions === true && !exists),
    );
  }

  #concerning(about: HostParts, since: number): PlannedBy[] {
    const disturbing = this.#disturbances.filter(({ at, parts }) => at > since && overlap(parts, about));
    const written = [...this.tree.within(about.paths ?? [])].filter(({ at }) => at > since);
    return [...disturbing, ...written];
  }

  #note(act: PlannedAct): void {
    const { step, certain } = act;
    this.#acted.set(step, { step, certain });
    this.#acts.push(act);
    this.#now += 1;
  }
}
