import type { DeployEvent } from "../../lib/model/events";

/** Shows one deployment: receives all its events in order. */
export interface View {
  add(event: DeployEvent): void;
  /** Called after the last event. */
  settle(): void;
}

/** A destination for text. */
export interface Out {
  write(text: string): unknown;
}

/** A terminal to draw on. */
export interface Screen extends Out {
  readonly columns?: number;
  readonly rows?: number;
}

/** The part of a deployment that views need. */
export interface Followed extends PromiseLike<unknown> {
  /** `silent`: it is not shown. */
  readonly adHoc?: "shown" | "silent" | undefined;
  subscribe(listener: (event: DeployEvent) => void): () => void;
}

/** A view of a deployment; undefined to show nothing. `silent`: people only want to see what comes of it. */
export type ViewOf = (silent: boolean) => View | undefined;

const NO_VIEW: View = { add: () => {}, settle: () => {} };

/** Shows each deployment that `onDeployment` reports in its own view. */
export function follow<D extends Followed>(
  onDeployment: (listener: (deployment: D) => void) => () => void,
  viewOf: ViewOf,
) {
  const shown = new Map<D, Promise<void>>();
  const end = onDeployment((deployment) => {
    const view = viewOf(deployment.adHoc === "silent") ?? NO_VIEW;
    const unsubscribe = deployment.subscribe((event) => view.add(event));
    const settle = async (): Promise<void> => {
      await Promise.resolve(deployment).catch(() => {});
      unsubscribe();
      shown.delete(deployment);
      view.settle();
    };
    shown.set(deployment, settle());
  });
  return {
    /** The running deployments. */
    deployments: (): D[] => [...shown.keys()],
    /** Resolves when `deployments` have finished and are shown; default: all. */
    settled: async (deployments: Iterable<D> = shown.keys()): Promise<void> => {
      await Promise.all([...deployments].map((deployment) => shown.get(deployment)));
    },
    end,
  };
}
