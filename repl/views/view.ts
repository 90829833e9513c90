import type { DeployEvent } from "../../lib/model/events";

/** What shows one deployment: it gets every event of it, in order. */
export interface View {
  add(event: DeployEvent): void;
  /** Nothing more will come: everything is shown now. */
  settle(): void;
}

/** Where a view writes. */
export interface Out {
  write(text: string): unknown;
}

/** A terminal that is drawn on. */
export interface Screen extends Out {
  readonly columns?: number;
  readonly rows?: number;
}

/** What is followed: a deployment, as far as views need it. */
export interface Followed extends PromiseLike<unknown> {
  subscribe(listener: (event: DeployEvent) => void): () => void;
}

/** Shows each deployment that `onDeployment` tells of in a view of its own. */
export function follow<D extends Followed>(
  onDeployment: (listener: (deployment: D) => void) => () => void,
  viewOf: () => View,
) {
  const shown = new Map<D, Promise<void>>();
  const end = onDeployment((deployment) => {
    const view = viewOf();
    const unsubscribe = deployment.subscribe((event) => view.add(event));
    const over = async (): Promise<void> => {
      await Promise.resolve(deployment).catch(() => {});
      unsubscribe();
      shown.delete(deployment);
      view.settle();
    };
    shown.set(deployment, over());
  });
  return {
    /** Those under way. */
    deployments: (): D[] => [...shown.keys()],
    /** `deployment` is over and shown; those not given: all. */
    settled: async (deployments: Iterable<D> = shown.keys()): Promise<void> => {
      await Promise.all([...deployments].map((deployment) => shown.get(deployment)));
    },
    end,
  };
}
