/** The directory in which `path` is; "." when it says none. A slash at the end means nothing. */
export function parentOf(path: string): string {
  const [, parent] = /^(.*?)\/+[^/]+\/*$/.exec(path) ?? [];
  return parent === undefined ? (path.startsWith("/") ? "/" : ".") : parent || "/";
}

/** The last part of `path`. */
export const nameOf = (path: string): string => /([^/]+)\/*$/.exec(path)?.[1] ?? "";
