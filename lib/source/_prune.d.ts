/** Marks `used` as used today and, once a day, removes files unused for 30 days from the caches under `cacheHome`. */
export function prune(cacheHome: string, used: ReadonlySet<string>, now?: number): Promise<void>;
