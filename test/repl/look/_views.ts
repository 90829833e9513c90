/** Views without a terminal: keys and answers go in, the screen comes out. */
import { stripVTControlCharacters } from "node:util";
import { keysIn } from "../../../repl/look/keys";
import { type Effect, type LookEvent, next } from "../../../repl/look/reducer";
import { screenLines } from "../../../repl/look/screen";
import { initialState, type LookState } from "../../../repl/look/state";

export const AT = Date.parse("2026-01-31T12:00:05Z");

/** A view of `hosts` that is told what happens. */
export class View {
  state: LookState;
  readonly effects: Effect[] = [];

  constructor(hosts: readonly string[] = ["web1"], columns = 80, rows = 24) {
    this.state = initialState(hosts, columns, rows);
  }

  tell(...events: readonly LookEvent[]): this {
    for (const event of events) {
      const { state, effect } = next(this.state, event);
      this.state = state;
      if (effect) this.effects.push(effect);
    }
    return this;
  }

  /** Presses the keys that `typed` is. */
  press(typed: string): this {
    // Escape is told apart by the time that passes.
    for (const part of typed.split(/(\u001b(?![[O]))/)) {
      const keys = part === "\u001b" ? [{ name: "escape", text: "" }] : keysIn(part).keys;
      for (const key of keys) this.tell({ kind: "key", key });
    }
    return this;
  }

  get lines(): string[] {
    return screenLines(this.state).map((line) => stripVTControlCharacters(line).trimEnd());
  }

  /** The screen without the lines of the frame, and without empty ones. */
  get body(): string[] {
    return this.lines.slice(2, -2).filter(Boolean);
  }
}

/** What a host answers for its services. */
export const services = (host: string, ...names: readonly string[]): LookEvent => ({
  kind: "answered",
  pane: "services",
  host,
  at: AT,
  rows: names.map((name) => ({ name, state: "active", detail: "running", enabled: "enabled", pid: 7 })),
});
