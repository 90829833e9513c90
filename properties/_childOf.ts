import { type ChildHost, type Host, type MaybePropApp, makeChildHost } from "consfigurator";

/** `host`, with `applications` in place of its own, as a host inside the one that deploys it. */
export const childOf = (host: Host | ChildHost, ...applications: MaybePropApp[]): ChildHost => {
  const { name, desc, hostattrs } = host;
  return makeChildHost(
    {
      ...(name !== undefined && { name }),
      ...(desc !== undefined && { desc }),
      ...(hostattrs && { hostattrs }),
    },
    ...applications,
  );
};
