import type { CommandResult } from "../../model/errors";
import { seenFromInside } from "../../model/plan";
import type { HostParts } from "../../model/target";
import { isWithin, type PlannedBy, type PlannedEntry, type PlannedNode, PlannedTree } from "./tree";

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
  #now = 0;

  /** `after`: steps outside, which may have changed anything before. */
  constructor(after: readonly number[] = []) {
    for (const step of after) this.disturb(undefined, { step: seenFromInside(step), certain: true });
  }

  /** For a nested plan that starts here: the steps so far that change anything, and `steps`. */
  originAfter(steps: Iterable<number>): { readonly after: readonly number[] } {
    return { after: [...new Set([...this.#acted.keys(), ...steps])] };
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
    this.#acted.set(by.step, by);
    this.tree.set(place, { node, at: this.#tick(), ...by });
  }

  /** `by` may change `parts` in a way that is not known. */
  disturb(parts: HostParts | undefined, by: PlannedBy): void {
    this.#acted.set(by.step, by);
    this.#disturbances.push({ parts, at: this.#tick(), ...by });
  }

  /** Queries with the text `command` get `result`, until what it is `about` changes. */
  answer(command: string, result: CommandResult, about: HostParts, by: PlannedBy): void {
    this.#acted.set(by.step, by);
    this.#answers.set(command, { result, about, at: this.#tick(), ...by });
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

  #tick(): number {
    this.#now += 1;
    return this.#now;
  }
}

/** Whether a change of `touched` may change an answer about `asked`. */
function overlap(touched: HostParts | undefined, asked: HostParts): boolean {
  if (!touched) return true;
  if (touched.additions && asked.additions) return true;
  if (touched.packages && asked.packages) return true;
  if (touched.accounts && asked.accounts) return true;
  if (touched.units && asked.units) {
    const [one, other] = [touched.units, asked.units];
    if (one === true || other === true || one.some((unit) => other.includes(unit))) return true;
  }
  return (
    touched.paths?.some((one) =>
      asked.paths?.some((other) => isWithin(one, other) || isWithin(other, one)),
    ) === true
  );
}
