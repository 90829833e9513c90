import path from "node:path";
import type { PosixTarget } from "../../model/target";
import type { PlannedTree } from "./tree";

/** As the kernel allows: links in a row. */
const MOST_LINKS = 40;

/** Resolves paths on a host whose links and directories may be planned. */
export class Places {
  /** Directories on the host, with links resolved, by path. */
  readonly #directories = new Map<string, Promise<string>>();

  constructor(
    private readonly host: PosixTarget,
    private readonly tree: PlannedTree,
  ) {}

  /** The path under which `absolute` is in the tree: links in its directories resolved, and with `follow` its own. */
  async resolve(absolute: string, follow: boolean, links = 0): Promise<string> {
    const given = path.posix.normalize(absolute).replace(/(?<=.)\/+$/, "");
    if (given === "/") return given;
    const directory = await this.#directory(path.posix.dirname(given), links);
    const place = `${directory === "/" ? "" : directory}/${path.posix.basename(given)}`;
    if (!follow || links > MOST_LINKS) return place;
    const { entry, onHost } = this.tree.at(place);
    const link = entry ? entry.node?.link : await this.host.readLink(onHost);
    if (link === undefined) return place;
    return this.resolve(path.posix.resolve(directory, link), true, links + 1);
  }

  async #directory(directory: string, links: number): Promise<string> {
    if (directory === "/") return directory;
    const onHost = await this.#onHost(directory);
    const isAsOnHost = !this.tree.isPlannedAbove(directory) && !this.tree.isPlannedAbove(onHost);
    return isAsOnHost ? onHost : this.resolve(directory, true, links);
  }

  /** The directory as the host resolves it; where it does not exist, its name in the one above. */
  #onHost(directory: string): Promise<string> {
    const known = this.#directories.get(directory);
    if (known) return known;
    const looking = this.host.realPath(directory).then(async (real) => {
      if (real !== undefined) return real;
      const above = path.posix.dirname(directory);
      const around = above === "/" ? "" : await this.#onHost(above);
      return `${around}/${path.posix.basename(directory)}`;
    });
    this.#directories.set(directory, looking);
    looking.catch(() => this.#directories.delete(directory));
    return looking;
  }
}
