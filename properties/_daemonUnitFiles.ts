/** The units of a daemon on a host: written, enabled and removed. */
import { AbortedChange, type AgentTarget, type Change } from "consfigurator";
import { serviceUnit, socketUnit, type UnitOptions } from "./_daemonUnits";
import { UNITS } from "./_daemonVersions";
import { linkedState, systemctl } from "./_systemctl";
import { isInhibited } from "./service";

/** The text of each unit; undefined for one that must not be there. */
export type Units = Readonly<Record<string, string | undefined>>;

/** Whether systemd opens a socket for the daemon. */
export const listens = ({ listen = [] }: UnitOptions): boolean => listen.length > 0;

export class UnitFiles {
  readonly #target: AgentTarget;
  /** All that there can be. */
  readonly names: readonly string[];
  readonly wanted: Units;

  constructor(target: AgentTarget, spec: UnitOptions) {
    this.#target = target;
    const [service, socket] = [`${spec.name}.service`, `${spec.name}.socket`];
    this.names = [service, socket];
    this.wanted = {
      [service]: serviceUnit(spec),
      [socket]: listens(spec) ? socketUnit(spec) : undefined,
    };
  }

  async refuseMasked(): Promise<void> {
    for (const unit of this.names) {
      if ((await this.#target.lstat(`${UNITS}/${unit}`))?.type !== "symlink") continue;
      throw new AbortedChange(
        `${unit} is masked, or another unit by that name: ${UNITS}/${unit} is a link; run \`systemctl unmask ${unit}\`, or choose another name`,
      );
    }
  }

  async areWritten(): Promise<boolean> {
    for (const [unit, text] of Object.entries(this.wanted)) {
      const found = await this.#target.readBytes(`${UNITS}/${unit}`);
      if (found?.toString("utf8") !== text) return false;
    }
    return true;
  }

  /** Writes and enables `units`. `reload`: systemd may not have read what is there. */
  async write(units: Units, reload: boolean): Promise<Change> {
    const changes = [];
    for (const [unit, text] of Object.entries(units)) changes.push(await this.#write(unit, text));
    if (changes.includes("changed") || reload) await this.#systemctl("daemon-reload");
    await this.enable(units);
    return "changed";
  }

  async #write(unit: string, text: string | undefined): Promise<Change> {
    const file = `${UNITS}/${unit}`;
    if (text !== undefined) return this.#target.ensureContent(file, text, { mode: 0o644 });
    if (!(await this.#target.lstat(file))) return "unchanged";
    await this.#disable(unit);
    return this.#target.remove(file);
  }

  async enable(units: Units = this.wanted): Promise<Change> {
    const names = Object.keys(units).filter((unit) => units[unit] !== undefined);
    const states = await Promise.all(names.map((unit) => linkedState(this.#target, { unit })));
    if (states.every((state) => state === "enabled")) return "unchanged";
    await this.#systemctl("enable", ...names);
    return "changed";
  }

  /** Stops and removes the units. */
  async remove(): Promise<Change> {
    const found = await Promise.all(this.names.map((unit) => this.#target.lstat(`${UNITS}/${unit}`)));
    const there = this.names.filter((_unit, index) => found[index]);
    if (there.length === 0) return "unchanged";
    await this.#disable(...there);
    for (const unit of there) await this.#target.remove(`${UNITS}/${unit}`);
    await this.#systemctl("daemon-reload");
    return "changed";
  }

  async #disable(...units: string[]): Promise<void> {
    await this.#systemctl("disable", ...(isInhibited(this.#target) ? [] : ["--now"]), ...units);
  }

  async #systemctl(...words: string[]): Promise<void> {
    await systemctl(this.#target, words, {});
  }
}
