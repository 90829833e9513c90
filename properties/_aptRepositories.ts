/** Sources of packages besides those of Debian itself, and the keys that they are signed with. */
import { defproplist, eseqprops, InapplicableProperty, onChange, type PropApp, schema } from "consfigurator";
import { updated } from "./_aptLists";
import { formatOf } from "./_aptSources";
import { printStanzas, type Stanza, words } from "./_deb822";
import { existsWithContent } from "./_fileContent";
import { doesNotExist } from "./_fileKinds";
import { content, type Lines, wholeText } from "./_lines";
import { armoredKey, fingerprint, fingerprintsOf, withoutSpaces } from "./_openpgp";
import * as os from "./_os";

const { absolutePath, boolean, either, list, object, optional, record, string } = schema;

/** apt passes over files with another name. */
const fileName = () =>
  string({
    pattern: "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
    description: 'a name of letters, digits, "_", "-" and ".", such as "docker"',
  });
const word = (what: string) => string({ pattern: "^[^\\s,#\\[\\]]+$", description: what });

const sourceFile = (name: string, extension: "list" | "sources"): string =>
  `/etc/apt/sources.list.d/${name}.${extension}`;

/**
 * apt has the sources in `content`, in the file `name`.sources or `name`.list of /etc/apt/sources.list.d: whichever apt
 * wants for the format, that of deb822 or one source a line. The file of the other format is deleted. When one of them
 * changes, so do the package lists, as with `apt.updated`. Unapplying it deletes both.
 *
 * @example apt.additionalSources("debug", ["deb http://deb.debian.org/debian-debug bookworm-debug main"])
 */
export const additionalSources = defproplist({
  name: "apt.additionalSources",
  args: object({ name: fileName(), content: content() }),
  call: (name: string, content: Lines) => ({ name, content }),
  desc: ({ name }) => `package sources ${name}`,
  hostattrs: ({ content }, host) => {
    os.required(host, "debian");
    if (formatOf(wholeText(content)) !== undefined) return;
    throw new InapplicableProperty(
      'there is no source in the content; give lines such as "deb http://deb.debian.org/debian bookworm main", or stanzas as in deb822, which begin with "Types: deb"',
    );
  },
  parts: ({ name, content }) => [sourcesAre(name, content)],
  unapply: ({ name }, _target, steps) =>
    steps.apply(onChange(doesNotExist(sourceFile(name, "list"), sourceFile(name, "sources")), updated())),
});

/** The file of the sources `name` has this content, and the lists of packages are those of the sources. */
function sourcesAre(name: string, content: Lines, ...needs: PropApp[]): PropApp {
  const format = formatOf(wholeText(content)) ?? "sources";
  const other = format === "list" ? "sources" : "list";
  const files = [existsWithContent(sourceFile(name, format), content), doesNotExist(sourceFile(name, other))];
  return onChange(eseqprops(...needs, ...files), updated());
}

const keyFile = (directory: string, name: string): string => `/etc/apt/${directory}/${name}.asc`;

interface Key {
  readonly key: string;
  readonly fingerprint?: string | undefined;
}

/** Refuses what is no key, or not the expected one. */
function refuseWrongKey({ key, fingerprint }: Key): void {
  const found = fingerprintsOf(key);
  if (!found)
    throw new InapplicableProperty(
      "the key is damaged: no public key can be read from it; export it anew with `gpg --armor --export`",
    );
  const wanted = fingerprint === undefined ? undefined : withoutSpaces(fingerprint);
  if (wanted === undefined || (found.length === 1 && found[0] === wanted)) return;
  throw new InapplicableProperty(
    `the key has the fingerprint ${found.join(" and ")}, but ${wanted} is expected; do not use it before you know why`,
  );
}

const keyArgs = object({ name: fileName(), key: armoredKey(), fingerprint: optional(fingerprint()) });
const callWithKey = (name: string, key: string, options: { fingerprint?: string } = {}) => ({
  name,
  key,
  ...options,
});

/**
 * The public key `key`, in ASCII armor, is in /etc/apt/keyrings/`name`.asc, where sources find it that name this file as
 * their `Signed-By`. With `fingerprint`, any other key is refused before connecting. Unapplying it deletes the file. For
 * a repository with its key see `apt.hasRepository`.
 *
 * @example apt.hasKeyring("shop", fs.readFileSync("keys/shop.asc", "utf8"), { fingerprint: "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88" })
 */
export const hasKeyring = defproplist({
  name: "apt.hasKeyring",
  args: keyArgs,
  call: callWithKey,
  desc: ({ name }) => `key ${name} of package sources`,
  hostattrs: (args, host) => {
    os.required(host, "debianlike");
    refuseWrongKey(args);
  },
  parts: ({ name, key }) => [existsWithContent(keyFile("keyrings", name), key, { mode: 0o644 })],
});

/**
 * apt trusts the public key `key`, in ASCII armor, for every source that names no key of its own. With `fingerprint`, any
 * other key is refused before connecting. Unapplying it deletes the key. Prefer `apt.hasRepository`, or `apt.hasKeyring`:
 * they trust a key for its own sources only.
 *
 * @example apt.trustsKey("shop", fs.readFileSync("keys/shop.asc", "utf8"))
 */
export const trustsKey = defproplist({
  name: "apt.trustsKey",
  args: keyArgs,
  call: callWithKey,
  desc: ({ name }) => `key ${name} trusted for all package sources`,
  hostattrs: (args, host) => {
    os.required(host, "debianlike");
    refuseWrongKey(args);
  },
  parts: ({ name, key }) => [existsWithContent(keyFile("trusted.gpg.d", name), key, { mode: 0o644 })],
});

const repository = object({
  uris: list(word('a URI, such as "https://download.docker.com/linux/debian"'), { minItems: 1 }),
  suites: list(word('a suite, such as "bookworm", or a path that ends with "/"'), { minItems: 1 }),
  components: optional(list(word('a component, such as "main"'))),
  types: optional(list({ enum: ["deb", "deb-src"] } as schema.Schema<"deb" | "deb-src">, { minItems: 1 })),
  architectures: optional(list(word('an architecture, such as "amd64"'), { minItems: 1 })),
  signedBy: optional(either(armoredKey(), absolutePath())),
  fingerprint: optional(fingerprint()),
  enabled: optional(boolean()),
  options: optional(
    record(string({ pattern: "^[^\\n\\r]+$", description: "the value of a field, on one line" }), {
      propertyNames: { pattern: "^[A-Za-z][A-Za-z-]*$" },
    }),
  ),
});
const repositoryArgs = object({ name: fileName(), repository });

/** A repository as `apt.hasRepository` takes it. */
export type Repository = schema.Infer<typeof repository>;

const isKey = (signedBy: string | undefined): signedBy is string =>
  signedBy !== undefined && !signedBy.startsWith("/");

/**
 * apt has the source /etc/apt/sources.list.d/`name`.sources with these fields, as in sources.list(5): `uris`, `suites` and
 * `components`; `types` (default: deb) and `architectures` (default: all of the host). `signedBy` is the public key of the
 * repository in ASCII armor, which is put into /etc/apt/keyrings/`name`.asc, or the path of a keyring on the host; with
 * `fingerprint`, any other key is refused before connecting. `options` are further fields, such as
 * `{ "Check-Valid-Until": "no" }`; `enabled: false` keeps apt from using the source. A file `name`.list is deleted. When
 * something changes, so do the package lists, as with `apt.updated`. Unapplying it deletes source and key.
 *
 * @example apt.hasRepository("debug", { uris: ["http://deb.debian.org/debian-debug"], suites: ["bookworm-debug"], components: ["main"], signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg" })
 */
export const hasRepository = defproplist({
  name: "apt.hasRepository",
  args: repositoryArgs,
  call: (name: string, repository: Repository) => ({ name, repository }),
  desc: ({ name }) => `package repository ${name}`,
  hostattrs: ({ repository }, host) => {
    os.required(host, "debian");
    refuseWrongParts(repository);
    const { signedBy, fingerprint } = repository;
    if (isKey(signedBy)) refuseWrongKey({ key: signedBy, fingerprint });
  },
  parts: ({ name, repository }) => {
    const { signedBy } = repository;
    const key = keyFile("keyrings", name);
    const needs = isKey(signedBy) ? [existsWithContent(key, signedBy, { mode: 0o644 })] : [];
    return [sourcesAre(name, printStanzas([stanzaOf(name, repository)]), ...needs)];
  },
  unapply: ({ name, repository }, _target, steps) => {
    const files = [sourceFile(name, "sources"), sourceFile(name, "list")];
    const keys = isKey(repository.signedBy) ? [keyFile("keyrings", name)] : [];
    return steps.apply(onChange(doesNotExist(...files, ...keys), updated()));
  },
});

/** Refuses what apt would refuse, or pass over. */
function refuseWrongParts({ suites, components = [], fingerprint, signedBy }: Repository): void {
  const exact = suites.filter((each) => each.endsWith("/"));
  if (exact.length > 0 && components.length > 0)
    throw new InapplicableProperty(
      `"${exact[0]}" is a path, since it ends with "/", so it has no components; leave out components`,
    );
  if (exact.length < suites.length && components.length === 0)
    throw new InapplicableProperty(
      `the suite "${suites.find((each) => !each.endsWith("/"))}" needs components, such as ["main"]; a path needs none, and ends with "/"`,
    );
  if (fingerprint !== undefined && !isKey(signedBy))
    throw new InapplicableProperty("fingerprint is compared with a key in signedBy, but there is none");
}

function stanzaOf(name: string, repository: Repository): Stanza {
  const {
    uris,
    suites,
    components = [],
    types = ["deb"],
    architectures,
    signedBy,
    enabled,
    options = {},
  } = repository;
  const key = isKey(signedBy) ? keyFile("keyrings", name) : signedBy;
  return [
    ...(enabled === false ? [["Enabled", "no"] as const] : []),
    ["Types", types.join(" ")],
    ["URIs", words(uris)],
    ["Suites", words(suites)],
    ...(components.length > 0 ? [["Components", words(components)] as const] : []),
    ...(architectures ? [["Architectures", architectures.join(" ")] as const] : []),
    ...(key === undefined ? [] : [["Signed-By", key] as const]),
    ...Object.entries(options),
  ];
}
