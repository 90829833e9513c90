/** The content of apt's source lists. */
import { fieldOf, parseStanzas, printStanzas, type Stanza, words, wordsOf } from "./_deb822";

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
  return printStanzas([
    stanza(mirrors, archive),
    ...(security.length > 0 ? [stanza(["http://security.debian.org/debian-security"], security)] : []),
  ]);
}

const stanza = (uris: readonly string[], suites: readonly string[]): Stanza => [
  ["Types", "deb deb-src"],
  ["URIs", uris.join(" ")],
  ["Suites", words([...new Set(suites)])],
  ["Components", "main contrib non-free-firmware non-free"],
  ["Signed-By", "/usr/share/keyrings/debian-archive-keyring.gpg"],
];

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
  const stanzas = parseStanzas(text)
    .filter((stanza) => !/^(no|false|without|off|disable)$/i.test(fieldOf(stanza, "Enabled") ?? ""))
    .flatMap((stanza) =>
      wordsOf(stanza, "URIs").flatMap((uri) => wordsOf(stanza, "Suites").map((suite) => pair(uri, suite))),
    );
  return [...oneLine, ...stanzas];
}

const pair = (uri: string, suite: string): string =>
  `${uri.replace(/^https:/, "http:").replace(/\/+$/, "")} ${suite}`;

/** An entry of the one-line format of sources.list(5), even if it is commented out. */
const ONE_LINE = /^\s*(?:#\s*)?deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?[a-z][a-z0-9+.-]*:\S*\s+\S/m;

/** The format of the sources in `text`, as the extension that apt wants for it; undefined when it has none. */
export function formatOf(text: string): "list" | "sources" | undefined {
  if (parseStanzas(text).some((stanza) => fieldOf(stanza, "Types") !== undefined)) return "sources";
  return ONE_LINE.test(text) ? "list" : undefined;
}
