/** The parent directory of `path`; "." if it names none. A trailing slash is ignored. */
export function parentOf(path: string): string {
  const [, parent] = /^(.*?)\/+[^/]+\/*$/.exec(path) ?? [];
  return parent === undefined ? (path.startsWith("/") ? "/" : ".") : parent || "/";
}

/** The last part of `path`. */
export const nameOf = (path: string): string => /([^/]+)\/*$/.exec(path)?.[1] ?? "";
