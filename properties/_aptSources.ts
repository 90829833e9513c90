/** The content of apt's source lists. */

export interface DebianSources {
  readonly suite: string;
  readonly stable: boolean;
  readonly testing: boolean;
  readonly mirrors: readonly string[];
  /** Further suites, in the order of declaration. */
  readonly additional: readonly string[];
}

/** Releases whose backports have left the archive: apt could not fetch their lists. */
const withoutBackports = new Set(["stretch", "buster", "bullseye"]);

/** The sources of Debian's archive, in deb822 format. */
export function debianSources({ suite, stable, testing, mirrors, additional }: DebianSources): string {
  const old = suite === "stretch" || suite === "buster";
  const archive = [
    suite,
    ...(stable ? [`${suite}-updates`] : []),
    ...(stable && !withoutBackports.has(suite) ? [`${suite}-backports`] : []),
    ...additional.filter((each) => !each.endsWith("-security")),
  ];
  const security = [
    ...(stable || testing ? [old ? `${suite}/updates` : `${suite}-security`] : []),
    ...additional.filter((each) => each.endsWith("-security")),
  ];
  const stanzas = [stanza(mirrors, archive)];
  if (security.length > 0) stanzas.push(stanza(["http://security.debian.org/debian-security"], security));
  return stanzas.join("\n");
}

function stanza(uris: readonly string[], suites: readonly string[]): string {
  return [
    "Types: deb deb-src",
    `URIs: ${uris.join(" ")}`,
    `Suites:${folded([...new Set(suites)])}`,
    "Components: main contrib non-free-firmware non-free",
    "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
    "",
  ].join("\n");
}

/** On one line if it is short, else one suite per line. */
function folded(suites: readonly string[]): string {
  const width = suites.reduce((sum, suite) => sum + suite.length + 1, 0);
  return suites.map((suite) => (width > 63 ? `\n ${suite}` : ` ${suite}`)).join("");
}

/**
 * Whether the sources in `text`, in either format, share an archive and suite with `ours`: apt refuses that when only
 * one of them names its signing key, and downloads the lists twice otherwise.
 */
export function conflictsWith(text: string, ours: string): boolean {
  const mine = new Set(pairs(ours));
  return pairs(text).some((pair) => mine.has(pair));
}

/** Each archive and suite in `text`, as one string. */
function pairs(text: string): string[] {
  const oneLine = text.split("\n").flatMap((line) => {
    const [, uri, suite] = /^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line) ?? [];
    return uri && suite ? [pair(uri, suite)] : [];
  });
  const stanzas = text.split(/\n\s*\n/).flatMap((stanza) => {
    if (/^Enabled:\s*no\s*$/im.test(stanza)) return [];
    return words(stanza, "URIs").flatMap((uri) => words(stanza, "Suites").map((suite) => pair(uri, suite)));
  });
  return [...oneLine, ...stanzas];
}

const pair = (uri: string, suite: string): string =>
  `${uri.replace(/^https:/, "http:").replace(/\/+$/, "")} ${suite}`;

/** The words of a field, continuation lines included. */
const words = (stanza: string, name: string): string[] =>
  (new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, "im").exec(stanza)?.[1] ?? "")
    .split(/\s+/)
    .filter(Boolean);
