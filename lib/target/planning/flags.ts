import type { State } from "../../model/target";

/** The flags of the host as a plan expects them to be. */
export class PlannedFlags implements State {
  constructor(
    private readonly onHost: State,
    private readonly planned: Map<string, boolean>,
  ) {}

  async has(name: string): Promise<boolean> {
    return this.planned.get(name) ?? this.onHost.has(name);
  }

  async set(name: string): Promise<void> {
    this.planned.set(name, true);
  }

  async clear(name: string): Promise<void> {
    this.planned.set(name, false);
  }
}
