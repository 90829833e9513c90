import { type AnyDeployment, type AnyWatch, session } from "../../lib/controller/session";
import { follow } from "../../lib/explore/follow";
import { on } from "../../lib/explore/on";
import { plannedWhole } from "../../lib/explore/planned";
import type { Located, Rows } from "../../lib/explore/rows";
import { hosts } from "../../lib/model/host";
import type { Row } from "../../lib/model/rows";
import { planWord } from "../views/_plan";
import { type HostTree, inOrder, treeOf } from "../views/_tree";
import type { PaneName } from "./panes";
import type { LookEvent } from "./reducer";
import { EVERY_S, EVERY_S_IF_LOST } from "./screen";

/** Entries of each journal that come first. */
const NEWEST = 200;
/** Entries that come in this time are shown together. */
const TOGETHER_MS = 100;

/** Asks hosts for the pane on the screen, each by itself, so that none waits for another. Nothing on them is changed. */
export class Asking {
  /** The plan of each host, once it was asked for. */
  readonly plans = new Map<string, HostTree>();
  /** What has not been answered yet: a slow host is not asked a second time meanwhile. */
  readonly #pending = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #logs = new Map<string, AnyWatch>();
  #logged = 0;
  #pane: PaneName | undefined;
  #ended = false;
  readonly #asked = new Set<AnyDeployment>();
  readonly #unsubscribe = session.onDeployment((deployment) => {
    if (deployment.adHoc === "silent" && deployment.hosts.every((host) => this.names.includes(host)))
      this.#asked.add(deployment);
  });

  constructor(
    private readonly names: readonly string[],
    private readonly tell: (event: LookEvent) => void,
  ) {}

  /** Begins to ask for `pane`, and no longer for the one before. */
  show(pane: PaneName): void {
    if (pane === this.#pane || this.#ended) return;
    this.#pane = pane;
    this.#clear();
    this.#endLogs();
    for (const host of this.names) {
      if (pane === "logs") this.#follow(host);
      else if (!isPlan(pane) || !this.plans.has(host)) void this.#ask(isPlan(pane) ? "plan" : pane, host);
    }
  }

  /** Plans every host again now. */
  replan(): void {
    for (const host of this.names) void this.#ask("plan", host);
  }

  /** Asks `host` again now what is on the screen, and for a new plan if it has one: something was done there. */
  changed(host: string): void {
    const pane = this.#pane;
    if (this.plans.has(host)) void this.#ask("plan", host);
    if (pane !== undefined && pane !== "logs" && !isPlan(pane)) void this.#ask(pane, host);
  }

  /** Asks nothing until `show`. */
  pause(): void {
    this.#pane = undefined;
    this.#clear();
    this.#endLogs();
  }

  /** Ends it, with the questions that have no answer yet. */
  end(): void {
    this.pause();
    this.#ended = true;
    this.#unsubscribe();
    for (const deployment of this.#asked) if (!deployment.over) deployment.cancel();
  }

  #clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #endLogs(): void {
    for (const watch of this.#logs.values()) watch.stop();
    this.#logs.clear();
  }

  async #ask(source: Source, host: string): Promise<void> {
    const key = `${source} ${host}`;
    if (this.#pending.has(key) || this.#ended) return;
    clearTimeout(this.#timers.get(key));
    this.#pending.add(key);
    const isAnswered = await this.#answer(source, host);
    this.#pending.delete(key);
    for (const deployment of this.#asked) if (deployment.over) this.#asked.delete(deployment);
    if (this.#ended || this.#pane === undefined || !isOf(source, this.#pane)) return;
    // What was planned stays: a plan is asked for with a key.
    if (source === "plan" && isAnswered) return;
    const seconds = isAnswered ? EVERY_S : EVERY_S_IF_LOST;
    this.#timers.set(
      key,
      setTimeout(() => void this.#ask(source, host), seconds * 1000),
    );
  }

  /** Tells what `host` answers. False if it does not. */
  async #answer(source: Source, host: string): Promise<boolean> {
    try {
      if (source === "plan") return await this.#plan(host);
      const rows = await QUESTIONS[source](host);
      const [lost] = rows.errors;
      if (lost) throw new Error(lost.message);
      this.#tell({ kind: "answered", pane: source, host, rows: shaped(source, host, rows), at: Date.now() });
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (source === "hosts")
        this.#tell({
          kind: "answered",
          pane: source,
          host,
          rows: [{ name: host, state: message }],
          at: Date.now(),
        });
      else for (const pane of panesOf(source)) this.#tell({ kind: "lost", pane, host, message });
      return false;
    }
  }

  async #plan(host: string): Promise<boolean> {
    const [report] = await plannedWhole([hosts.get(host) ?? { name: host }], []);
    if (!report || (report.failure && report.steps.length === 0))
      throw new Error(report?.failure?.message ?? "nothing was planned");
    const tree = treeOf(report);
    this.plans.set(host, tree);
    const at = Date.now();
    const leaves = inOrder(tree.roots).filter(({ children }) => children.length === 0);
    const rows = leaves.map((step) => ({
      number: step.step,
      plan: planWord(step),
      step: step.desc,
      place: step.site,
    }));
    const files = leaves.flatMap((step) =>
      (step.plan?.paths ?? []).map((path) => ({
        path,
        plan: planWord(step),
        step: step.desc,
        number: step.step,
      })),
    );
    this.#tell({ kind: "answered", pane: "properties", host, rows, at });
    this.#tell({ kind: "answered", pane: "files", host, rows: files.toSorted(byPath), at });
    return true;
  }

  /** The newest entries, then further ones; again after a while when the host cannot be reached. */
  #follow(host: string): void {
    const watch = follow([hosts.get(host) ?? { name: host }], [], { lines: NEWEST }, true);
    this.#logs.set(host, watch);
    let came: Row[] = [];
    let isFirst = true;
    const tellAll = () => {
      const [rows, at] = [came, Date.now()];
      came = [];
      if (watch.stopped || rows.length === 0) return;
      // Followed anew, entries of before come again.
      if (isFirst) this.#tell({ kind: "answered", pane: "logs", host, rows: [], at });
      isFirst = false;
      this.#tell({ kind: "logged", host, rows, at });
    };
    watch.subscribe(({ change, row, message = "it does not answer" }) => {
      if (watch.stopped) return;
      if (row) {
        this.#logged += 1;
        came.push({ ...row, number: this.#logged });
        if (came.length === 1) setTimeout(tellAll, TOGETHER_MS);
      } else if (change === "lost") {
        tellAll();
        this.#tell({ kind: "lost", pane: "logs", host, message });
      } else if (change === "back") this.#tell({ kind: "logged", host, rows: [], at: Date.now() });
    });
    void watch.then(() => {
      if (this.#logs.get(host) !== watch) return;
      this.#timers.set(
        host,
        setTimeout(() => this.#follow(host), EVERY_S_IF_LOST * 1000),
      );
    });
  }

  #tell(event: LookEvent): void {
    if (!this.#ended) this.tell(event);
  }
}

/** What is asked for at once: the plan fills two panes. */
type Source = "plan" | Exclude<PaneName, "properties" | "files" | "logs">;

const isPlan = (pane: PaneName): pane is "properties" | "files" => pane === "properties" || pane === "files";
const panesOf = (source: Source): readonly PaneName[] =>
  source === "plan" ? ["properties", "files"] : [source];
const isOf = (source: Source, pane: PaneName): boolean => panesOf(source).includes(pane);

const QUESTIONS: Readonly<Record<Exclude<Source, "plan">, (host: string) => Promise<Rows<Located<Row>>>>> = {
  hosts: (host) => on(host).facts(),
  services: (host) => on(host).services(),
  ports: (host) => on(host).ports(),
  processes: (host) => on(host).processes(),
  disks: (host) => on(host).mounts(),
};

/** `all` as the pane shows them. */
function shaped(source: Source, name: string, all: readonly Located<Row>[]): Row[] {
  const rows = all.map(({ host: _, ...row }): Row => row);
  if (source === "hosts") return rows.map((row) => ({ ...row, name, state: "answers" }));
  if (source === "processes")
    return rows.sort((one, other) => Number(other["memoryBytes"]) - Number(one["memoryBytes"]));
  if (source !== "disks") return rows;
  return rows.map((row) => ({
    ...row,
    used: `${Math.round((100 * Number(row["usedBytes"])) / Number(row["sizeBytes"]))}%`,
  }));
}

const byPath = (one: { path: string }, other: { path: string }): number =>
  one.path < other.path ? -1 : one.path > other.path ? 1 : 0;
