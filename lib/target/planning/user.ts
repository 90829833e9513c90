import type { CommandResult } from "../../model/errors";
import type { Findings } from "../../model/plan";
import type { Command, Identity, QueryOptions, State, User } from "../../model/target";
import type { Kind } from "../../model/types";
import type { TargetBase } from "../base";
import { commandText } from "../command";
import type { TargetContext } from "../context";
import type { PlannedHost } from "./host";
import { PlanningTarget } from "./target";

/** The flags of a user who does not exist yet. */
export const NO_FLAGS: State = {
  has: async () => false,
  set: async () => {},
  clear: async () => {},
};

/**
 * A host as it is planned for a user who does not exist there yet. What is planned is known; what only the host knows is asked
 * as another user, so it depends on the step that makes the account.
 */
export class PlannedUserTarget extends PlanningTarget {
  /** No process can run as that user. */
  override readonly kind: Kind = "posix";
  readonly #user: User;

  constructor(
    host: TargetBase,
    context: TargetContext,
    planned: PlannedHost,
    findings: Findings,
    user: User,
  ) {
    super(host, context, planned, findings);
    this.#user = user;
  }

  override async query(command: Command, options: QueryOptions = {}): Promise<CommandResult> {
    if (!this.planned.answerTo(commandText(command))) this.#dependOnAccount();
    return super.query(command, options);
  }

  override async hasCommand(name: string): Promise<boolean> {
    this.#dependOnAccount();
    return super.hasCommand(name);
  }

  protected override beforeAsking(place: string): void {
    // Whoever it is sees the root directory.
    if (place !== "/") this.#dependOnAccount();
  }

  /** Not remembered: the host behind it remembers its own. */
  override async identity(): Promise<Identity> {
    const { uid, gid, name, home } = this.#user;
    return { uid, gid, user: name, home: this.context.home ?? home };
  }

  protected override derive(context: TargetContext): this {
    return new PlannedUserTarget(this.machine, context, this.planned, this.findings, this.#user) as this;
  }

  #dependOnAccount(): void {
    const { entry } = this.planned.tree.at("/etc/passwd");
    if (entry) this.dependOn([entry]);
  }
}
