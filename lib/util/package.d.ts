/** The cache directory: `$XDG_CACHE_HOME/consfigurator`. */
export const cacheHome: string;
/** The directory of this package. */
export const root: string;
