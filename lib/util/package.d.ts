/** Where everything that can be made again is kept: `$XDG_CACHE_HOME/consfigurator`. */
export const cacheHome: string;
/** The directory of this package. */
export const root: string;
