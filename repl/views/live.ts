import type { Picture } from "./_picture";
import { finalText } from "./_text";
import { Trees } from "./_tree";
import type { Out, Screen, View } from "./view";

/** Sooner than this nothing is drawn. */
const GRACE_MS = 120;

/**
 * Draws deployments while they run, all of them together, and writes what each came to when it is over, as plain text
 * that stays. What is over sooner than the eye sees is only written. ink is loaded when it is first needed: it takes a
 * third of a second.
 */
export class LiveScreen {
  readonly #trees = new Set<Trees>();
  #begin: NodeJS.Timeout | undefined;
  #picture: Picture | undefined;
  #paused = false;
  #detached = false;
  /** What was wrong with the consfig, if that stands just above what is drawn. */
  said = "";

  /** `out`: where the texts that stay are written. `attended`: after a failure somebody is asked what to do. */
  constructor(
    private readonly screen: Screen,
    private readonly out: Out = screen,
    private readonly attended = false,
  ) {}

  view(): View {
    const trees = new Trees();
    this.#trees.add(trees);
    this.#detached = false;
    return {
      add: (event) => {
        trees.add(event);
        this.#beginDrawing();
      },
      settle: () => {
        this.#trees.delete(trees);
        this.#stopDrawing();
        if (trees.hosts.length > 0)
          this.out.write(`${finalText(trees.hosts, { attended: this.attended, said: this.said })}\n`);
        if (this.#trees.size > 0) this.#beginDrawing();
      },
    };
  }

  /** Nothing is drawn until `resume`: something else needs the screen. */
  pause(): void {
    this.#paused = true;
    this.#stopDrawing();
  }

  resume(): void {
    this.#paused = false;
    if (this.#trees.size > 0) this.#beginDrawing();
  }

  /** Nothing is drawn of what runs now; what it comes to is written all the same. */
  detach(): void {
    this.#detached = true;
    this.#stopDrawing();
  }

  #beginDrawing(): void {
    if (this.#paused || this.#detached) return;
    this.#begin ??= setTimeout(() => void this.#draw().catch(() => {}), GRACE_MS);
  }

  async #draw(): Promise<void> {
    const begun = this.#begin;
    const { startPicture, loadInk } = picture();
    const ink = await loadInk();
    if (this.#begin !== begun) return;
    this.#picture = startPicture(ink, this.screen, () => [...this.#trees].flatMap((trees) => trees.hosts));
  }

  #stopDrawing(): void {
    clearTimeout(this.#begin);
    this.#begin = undefined;
    this.#picture?.stop();
    this.#picture = undefined;
  }
}

/** Loads what drawing needs: called when nobody waits. */
export const warmUp = (): Promise<unknown> => picture().loadInk();

const picture = () => require("./_picture") as typeof import("./_picture");
