/** Whether the owner may read, and everybody may do no more than the owner, nor others more than the group. */
function isUsualMode(mode: number): boolean {
  const [user, group, other] = [mode >> 6, mode >> 3, mode].map((bits) => bits & 7) as [
    number,
    number,
    number,
  ];
  return (user & 4) !== 0 && (group & ~user) === 0 && (other & ~group) === 0;
}

/** `mode` as it was meant, where 0o was forgotten: 644 is 0o1204, which nobody wants. */
export function withPrefix(mode: unknown): number | undefined {
  if (typeof mode !== "number") return undefined;
  const meant = /^[0-7]{3,4}$/.test(String(mode)) ? Number(`0o${mode}`) : undefined;
  return meant !== undefined && isUsualMode(meant) && (mode > 0o7777 || !isUsualMode(mode))
    ? meant
    : undefined;
}

/** The modes that `withPrefix` corrects. */
export const WITHOUT_PREFIX = Array.from({ length: 0o10000 }, (_, mode) => mode).filter(
  (mode) => withPrefix(mode) !== undefined,
);

/** A number as permission bits are written. */
export const octal = (bits: number): string => `0o${bits.toString(8)}`;
