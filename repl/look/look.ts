import { deploy, deployThese } from "../../lib/controller/deploy";
import type { Deployment } from "../../lib/controller/deployment";
import { hosts } from "../../lib/model/host";
import type { Report } from "../../lib/model/report";
import { restarted } from "../../properties/systemd";
import type { Shell } from "../shell";
import type { Terminal } from "../terminal";
import { finalText } from "../views/_text";
import { Trees, treeOf } from "../views/_tree";
import { formatCounts, outcome } from "../views/_words";
import { loadPicture } from "../views/live";
import { openedLines } from "./_opening";
import { Asking } from "./asking";
import { type Key, KeyReader } from "./keys";
import { type Effect, type LookEvent, next } from "./reducer";
import { screenLines } from "./screen";
import { type Act, initialState, type LookState } from "./state";

/** Shows `names` on the whole screen until the user leaves, or `signal` aborts. */
export async function look(
  names: readonly string[],
  shell: Shell,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { ink, startDrawing } = await loadPicture();
  const view = new Look(names, shell, terminal, (lines) => startDrawing(ink, terminal.output, lines));
  await view.run(signal);
}

type Draw = (lines: { get(): readonly string[]; subscribe(listener: () => void): () => void }) => () => void;

/** The view: keys and answers go in, `next` says what follows, and that is drawn and done. */
class Look {
  #state: LookState;
  /** The screen of the state, once it was drawn. */
  #lines: readonly string[] | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #asking: Asking;
  readonly #reader = new KeyReader((key) => this.#pressed(key));
  #leave = () => {};
  #left = false;
  #stopDrawing: (() => void) | undefined;
  #giveBack: (() => void) | undefined;
  #deployment: Deployment<Report> | undefined;
  /** Keys after the one that left are for the prompt. */
  #after = "";

  constructor(
    names: readonly string[],
    private readonly shell: Shell,
    private readonly terminal: Terminal,
    private readonly draw: Draw,
  ) {
    this.#state = initialState(names, terminal.columns, terminal.rows);
    this.#asking = new Asking(names, (event) => this.#happened(event));
  }

  async run(signal: AbortSignal): Promise<void> {
    const left = new Promise<void>((resolve) => {
      this.#leave = () => {
        this.#left = true;
        resolve();
      };
    });
    const leave = () => this.#leave();
    const resized = () => this.#happened({ kind: "resized", ...this.#size() });
    signal.addEventListener("abort", leave, { once: true });
    this.terminal.output.on("resize", resized);
    try {
      await this.terminal.covered(this, () => left);
    } finally {
      signal.removeEventListener("abort", leave);
      this.terminal.output.off("resize", resized);
      this.#asking.end();
      this.#reader.close();
    }
    this.terminal.type(this.#after);
  }

  /** Draws, and takes the keys. */
  resume(): void {
    this.#update({ ...this.#state, ...this.#size() });
    this.#giveBack = this.terminal.lendKeys((chunk) => this.#reader.add(chunk));
    this.#stopDrawing = this.draw({
      get: () => (this.#lines ??= screenLines(this.#state)),
      subscribe: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    });
    this.#asking.show(this.#state.pane);
  }

  /** Leaves the terminal to something else. */
  suspend(): void {
    this.#stopDrawing?.();
    this.#giveBack?.();
    this.#stopDrawing = undefined;
    this.#giveBack = undefined;
  }

  #size() {
    return { columns: this.terminal.columns, rows: this.terminal.rows };
  }

  #pressed(key: Key): void {
    if (this.#left) this.#after += key.name === "enter" ? "\r" : key.text;
    else this.#happened({ kind: "key", key });
  }

  #happened(event: LookEvent): void {
    const { state, effect } = next(this.#state, event);
    this.#update(state);
    if (this.#stopDrawing) this.#asking.show(state.pane);
    if (effect) this.#do(effect);
  }

  #update(state: LookState): void {
    this.#state = state;
    this.#lines = undefined;
    for (const listener of this.#listeners) listener();
  }

  #do(effect: Effect): void {
    switch (effect.kind) {
      case "leave":
        return this.#leave();
      case "redraw":
        this.suspend();
        return this.resume();
      case "plan":
        return this.#asking.replan();
      case "stop":
        return this.#deployment?.stop();
      case "cancel":
        return this.#deployment?.cancel();
      case "open":
        return void this.#open(effect);
      case "shell":
        return void this.#shell(effect.host);
      case "act":
        return void this.#act(effect.act);
    }
  }

  async #open({ pane, entry, title }: Effect & { kind: "open" }): Promise<void> {
    const { consfig } = this.shell.workspace;
    const lines = await openedLines(pane, entry, this.#asking.plans.get(entry.host), consfig).catch(
      (error: Error) => [error.message],
    );
    this.#happened({ kind: "opened", title, lines });
  }

  async #shell(host: string): Promise<void> {
    this.#asking.pause();
    await this.terminal.uncovered(async () => {
      try {
        await this.terminal.shell(host, this.shell.hopsTo(host));
      } catch (error) {
        this.shell.printError(error);
      }
    });
  }

  async #act(act: Act): Promise<void> {
    const { host } = act;
    const defined = hosts.get(host);
    if (!defined)
      return this.#happened({ kind: "acted", host, text: `${host} is not defined any more`, bad: true });
    const deployment = act.kind === "deploy" ? deploy(defined) : deployThese(defined, restarted(act.unit));
    this.#deployment = deployment;
    const doing = act.kind === "deploy" ? `deploying ${host}` : `restarting ${act.unit} on ${host}`;
    this.#happened({ kind: "progress", text: doing });
    const trees = new Trees();
    const unsubscribe = deployment.subscribe((event) => {
      const tree = trees.add(event);
      const now = tree.progress || [formatCounts(tree), tree.current?.desc].filter(Boolean).join("; ");
      if (!deployment.over) this.#happened({ kind: "progress", text: now ? `${doing}: ${now}` : doing });
    });
    const report = await deployment;
    unsubscribe();
    this.#deployment = undefined;
    this.shell.finished(deployment, [report]);
    const tree = treeOf(report);
    const lines = report.ok ? undefined : finalText([tree], {}).split("\n");
    const text = `${host}: ${outcome(tree)}`;
    this.#happened({ kind: "acted", host, text, bad: !report.ok, ...(lines && { lines }) });
    this.#asking.changed(host);
  }
}
