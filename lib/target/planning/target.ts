import type { CommandResult } from "../../model/errors";
import { NotFetched, PlanEnds, type PlanningStep } from "../../model/plan";
import type { PlannedAct } from "../../model/planned-acts";
import type { Secret } from "../../model/secret";
import { SecretStream } from "../../model/secret-stream";
import type {
  Command,
  Group,
  HostParts,
  PlanModel,
  QueryOptions,
  RunOptions,
  User,
} from "../../model/target";
import { findGroup, findUser, groupNames, parseGroup, parsePasswd } from "../accounts";
import { commandResult, commandText, shownCommand } from "../command";
import type { TargetContext } from "../context";
import { contentBytes, decode } from "../text";
import { PlanningFiles } from "./files";

/** A host on which nothing is done: its files as `PlanningFiles` says, its commands and accounts as they would be. */
export class PlanningTarget extends PlanningFiles implements PlanModel, PlanningStep {
  override async run(command: Command, options: RunOptions = {}): Promise<CommandResult> {
    const { predict, touches, unpredictable } = options;
    const findings = this.findings;
    if (findings.ahead) throw new PlanEnds("its turn has not come");
    findings.unknown ??= unpredictable;
    const shown = shownCommand(command, options);
    this.report({ kind: "command", command: shown });
    if (touches || !predict) this.planned.disturb(touches, this.by);
    if (!predict) {
      findings.open = true;
      throw new PlanEnds(`what \`${shown}\` prints is not known`);
    }
    const { changed: _unreported, ...context } = this.context;
    const model = this.derive(context);
    return this.#result(command, await predict(model), options);
  }

  override async data(iden1: string, iden2: string): Promise<Secret> {
    return this.#unlessNotFetched(super.data(iden1, iden2));
  }

  override async dataStream(iden1: string, iden2: string): Promise<Secret | SecretStream> {
    return this.#unlessNotFetched(super.dataStream(iden1, iden2));
  }

  async #unlessNotFetched<T>(data: Promise<T>): Promise<T> {
    try {
      return await data;
    } catch (error) {
      if (!(error instanceof NotFetched)) throw error;
      this.findings.unknown ??= error.message;
      throw new PlanEnds(error.message);
    }
  }

  override async query(command: Command, options: QueryOptions = {}): Promise<CommandResult> {
    if (typeof command !== "string" && !options.secret)
      for (const word of command) if (word.startsWith("/")) this.findings.looksAt(word);
    for (const each of options.about?.paths ?? []) this.findings.looksAt(each);
    const planned = this.planned.answerTo(commandText(command));
    this.dependOn(planned ? planned.dependsOn : this.planned.changing(options.about));
    if (planned) return this.#result(command, planned.result, options);
    const { mayFail = false } = options;
    const result = await this.planned.asked(this.#askedKey(command, options), () =>
      this.machine.query(command, { ...options, mayFail: true }),
    );
    return mayFail ? result : this.#result(command, result, options);
  }

  answer(command: Command, result: Partial<CommandResult>, about: HostParts): void {
    const whole = { exit: 0, stdout: "", stderr: "", ...result };
    this.planned.answer(commandText(command), whole, about, this.by);
  }

  mayFail(): void {
    this.findings.open = true;
  }

  mayChange(parts?: HostParts): void {
    this.planned.disturb(parts, this.by);
  }

  changesInside(acts: readonly PlannedAct[]): void {
    this.planned.include(acts);
  }

  dependOnEarlier(): void {
    for (const { step } of this.planned.changing(undefined))
      if (step !== this.findings.step) this.findings.dependsOn.add(step);
  }

  async hasCommand(name: string): Promise<boolean> {
    const has = await this.machine.hasCommand(name);
    const place = name.includes("/") ? name : `/usr/bin/${name}`;
    this.dependOn(this.planned.changingPlace(place, undefined, has));
    return has;
  }

  user(nameOrUid: string | number): Promise<User | undefined> {
    const find = (text: string) => findUser(parsePasswd(text), nameOrUid);
    return this.#account("/etc/passwd", find, () => this.machine.user(nameOrUid));
  }

  group(nameOrGid: string | number): Promise<Group | undefined> {
    const find = (text: string) => findGroup(parseGroup(text), nameOrGid);
    return this.#account("/etc/group", find, () => this.machine.group(nameOrGid));
  }

  /** What `find` finds in `table` as planned. What the host has from elsewhere, such as LDAP, stays. */
  async #account<T>(
    table: string,
    find: (text: string) => T | undefined,
    onHost: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const planned = await this.#plannedText(table);
    const before = await onHost();
    const found = planned === undefined ? before : find(planned);
    this.dependOn(this.planned.changingAccount(found !== undefined));
    if (found || planned === undefined || !before) return found;
    return find(await this.machine.readFile(table)) ? undefined : before;
  }

  async groupsOf(name: string): Promise<string[]> {
    const isPlanned = ["/etc/passwd", "/etc/group"].some((file) => this.planned.tree.at(file).entry);
    const user = isPlanned ? await this.user(name) : undefined;
    if (!user) {
      this.dependOn(this.planned.changingAccount(true));
      return this.machine.groupsOf(name);
    }
    return groupNames(user, parseGroup(await this.#textOf("/etc/group")));
  }

  protected derive(context: TargetContext): this {
    return new PlanningTarget(this.machine, context, this.planned, this.findings) as this;
  }

  /** The same question, asked in the same circumstances, has the same key. */
  /** It stays in memory. */
  #askedKey(command: Command, { env, cwd, input }: QueryOptions): string {
    const given =
      input instanceof SecretStream ? input.sha256 : input && contentBytes(input).toString("latin1");
    return JSON.stringify([commandText(command), env, cwd, given, this.context.home]);
  }

  #result(command: Command, result: Partial<CommandResult> | undefined, options: RunOptions): CommandResult {
    const { exit = 0, stdout = "", stderr = "" } = result ?? {};
    return commandResult(
      command,
      { exit, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) },
      options,
    );
  }

  /** The text of `file` as planned; undefined when it is as on the host. */
  async #plannedText(file: string): Promise<string | undefined> {
    const { entry } = this.planned.tree.at(file);
    if (!entry) return undefined;
    if (!entry.certain) this.dependOn([entry]);
    return this.#textOf(file);
  }

  async #textOf(file: string): Promise<string> {
    return decode((await this.readBytes(file)) ?? Buffer.alloc(0));
  }
}
