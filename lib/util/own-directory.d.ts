/**
 * Makes `directory`, unless it exists, with mode 0700. Returns why another user could put files into it; undefined when
 * nobody but us and root can, or when it cannot be made at all.
 */
export function refusalOf(directory: string): string | undefined;
