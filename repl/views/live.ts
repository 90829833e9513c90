import type { Picture } from "./_picture";
import { finalText } from "./_text";
import { Trees } from "./_tree";
import type { Out, Screen, View } from "./view";

/** Deployments that finish sooner are not drawn. */
const GRACE_MS = 120;

/**
 * Draws all running deployments together, and prints the result of each as plain text when it finishes. ink is loaded
 * when first needed: it takes a third of a second.
 */
export class LiveScreen {
  readonly #trees = new Set<Trees>();
  #begin: NodeJS.Timeout | undefined;
  #picture: Picture | undefined;
  #paused = false;
  #detached = false;
  /** The load error of the consfig, if it is printed just above the drawing. */
  loadError = "";

  /** `out`: receives the results. `attended`: the user is asked what to do after a failure. */
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
          this.out.write(
            `${finalText(trees.hosts, { attended: this.attended, loadError: this.loadError })}\n`,
          );
        if (this.#trees.size > 0) this.#beginDrawing();
      },
    };
  }

  /** Stops drawing until `resume`: something else needs the screen. */
  pause(): void {
    this.#paused = true;
    this.#stopDrawing();
  }

  resume(): void {
    this.#paused = false;
    if (this.#trees.size > 0) this.#beginDrawing();
  }

  /** Stops drawing the running deployments; their results are still printed. */
  detach(): void {
    this.#detached = true;
    this.#stopDrawing();
  }

  #beginDrawing(): void {
    if (this.#paused || this.#detached) return;
    this.#begin ??= setTimeout(() => void this.#draw().catch(() => {}), GRACE_MS);
  }

  async #draw(): Promise<void> {
    const scheduled = this.#begin;
    const { ink, startPicture } = await loadPicture();
    if (this.#begin !== scheduled) return;
    this.#picture = startPicture(ink, this.screen, () => [...this.#trees].flatMap((trees) => trees.hosts));
  }

  #stopDrawing(): void {
    clearTimeout(this.#begin);
    this.#begin = undefined;
    this.#picture?.stop();
    this.#picture = undefined;
  }
}

/** Loads ink: called while the prompt is idle. */
export const warmUp = (): Promise<unknown> => loadPicture();

let loading: ReturnType<typeof loadForProduction> | undefined;

/** ink and what draws with it, loaded when first needed. */
export const loadPicture = () => (loading ??= loadForProduction());

/** React's build for development, which it takes unless the environment says otherwise, is slower and needs 15 MB more. */
async function loadForProduction() {
  const before = process.env["NODE_ENV"];
  process.env["NODE_ENV"] = "production";
  const { fetch } = globalThis;
  globalThis.fetch = (resource, options) =>
    isEmbedded(resource) ? Promise.reject(new Error("it is embedded")) : fetch(resource, options);
  try {
    const { loadInk, startPicture } = require("./_picture") as typeof import("./_picture");
    const { startDrawing } = require("../look/_drawing") as typeof import("../look/_drawing");
    return { ink: await loadInk(), startPicture, startDrawing };
  } finally {
    globalThis.fetch = fetch;
    if (before === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = before;
  }
}

/**
 * The code of ink's layout engine. Where there is `fetch`, the engine fetches it from itself, for which Node would load what needs
 * 14 MB; otherwise, or when that fails, it decodes it.
 */
const isEmbedded = (resource: unknown): boolean =>
  typeof resource === "string" && resource.startsWith("data:application/octet-stream;base64,");
