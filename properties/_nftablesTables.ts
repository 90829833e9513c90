/** The tables that a ruleset declares, each with its family. */
export const tablesIn = (text: string): string[] => [
  ...new Set(
    [...text.matchAll(/^[ \t]*table\s+(?:(ip|ip6|inet|arp|bridge|netdev)\s+)?([A-Za-z_][\w.-]*)\s*\{/gm)].map(
      ([, family = "ip", name]) => `${family} ${name}`,
    ),
  ),
];
