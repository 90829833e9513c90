/** Languages, and how dates, numbers and the like are written. */
import { AbortedChange, defprop, defproplist, onChange, type PosixTarget, schema } from "consfigurator";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { installed } from "./apt";
import { single } from "./cmd";

const { list, object, oneOf, string } = schema;

const localeName = () =>
  string({
    pattern: "^[A-Za-z]+(_[A-Z]{2})?(\\.[A-Za-z0-9-]+)?(@[a-z]+)?$",
    description: 'a locale, such as "en_GB.UTF-8"',
  });

const variables = [
  ...(["LANG", "LANGUAGE", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION"] as const),
  ...(["LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER"] as const),
  ...(["LC_TELEPHONE", "LC_TIME", "LC_ALL"] as const),
] as const;
type Variable = (typeof variables)[number];

const LIST = "/etc/locale.gen";
const SUPPORTED = "/usr/share/i18n/SUPPORTED";

/** `line` of /etc/locale.gen without the mark of a comment. */
const uncommented = (line: string): string => line.replace(/^\s*#\s*/, "").trim();

/** The line of /etc/locale.gen for `locale`, with its character set. */
async function lineFor(target: PosixTarget, locale: string): Promise<string> {
  const known = await target.readLines(SUPPORTED);
  const line = known.find((each) => each.split(" ")[0] === locale);
  if (line !== undefined) return line.trim();
  const [language] = locale.split(/[.@]/);
  const similar = known
    .map((each) => each.split(" ")[0] ?? "")
    .filter((each) => each.split(/[.@]/)[0] === language);
  const advice = similar.length > 0 ? `there are ${similar.join(", ")}` : `${SUPPORTED} lists what there is`;
  throw new AbortedChange(`there is no locale ${locale}; ${advice}`);
}

const listed = defprop({
  name: "locale._listed",
  kind: "posix",
  args: object({ locale: localeName() }),
  desc: ({ locale }) => `${LIST} has ${locale}`,
  apply: async ({ locale }, target) => {
    await needsRoot(target, "locale.available");
    const wanted = await lineFor(target, locale);
    return target.editLines(LIST, (lines) => {
      if (lines.some((each) => each.trim() === wanted)) return lines;
      const at = lines.findIndex((each) => uncommented(each) === wanted);
      return at < 0 ? [...lines, wanted] : lines.with(at, wanted);
    });
  },
  unapply: async ({ locale }, target) => {
    await needsRoot(target, "locale.available");
    return target.editLines(LIST, (lines) =>
      lines.map((each) => (each.split(/\s+/)[0] === locale ? `# ${each}` : each)),
    );
  },
});

/**
 * The system has `locale`, exactly as it is written in /usr/share/i18n/SUPPORTED: it is listed in /etc/locale.gen, and generated. The
 * package locales is installed. Unapplying it comments the line out, and generates what is left.
 *
 * @example locale.available("en_GB.UTF-8")
 */
export const available = defproplist({
  name: "locale.available",
  args: object({ locale: localeName() }),
  call: (locale: string) => ({ locale }),
  desc: ({ locale }) => `locale ${locale}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ locale }) => [
    needed(installed("locales")),
    onChange(listed({ locale }), single("locale-gen", { touches: { paths: ["/usr/lib/locale"] } })),
  ],
});

const DEFAULTS = "/etc/default/locale";

const selected = defprop({
  name: "locale._selected",
  kind: "posix",
  args: object({ locale: localeName(), variables: list(oneOf(...variables)) }),
  desc: ({ locale, variables }) => `${variables.join(", ")} ${variables.length > 1 ? "are" : "is"} ${locale}`,
  apply: async ({ locale, variables }, target) => {
    await needsRoot(target, "locale.selectedFor");
    return target.editLines(DEFAULTS, (lines) => {
      const isSet = (name: string) => lines.some((line) => valueIn(line, name) === locale);
      const missing = variables.filter((name) => !isSet(name));
      const rest = lines.filter((line) => missing.every((name) => valueIn(line, name) === undefined));
      return [...rest, ...missing.map((name) => `${name}=${locale}`)];
    });
  },
  unapply: async ({ locale, variables }, target) => {
    await needsRoot(target, "locale.selectedFor");
    return target.editLines(DEFAULTS, (lines) =>
      lines.filter((line) => variables.every((name) => valueIn(line, name) !== locale)),
    );
  },
});

/** What `line` sets the variable `name` to. */
function valueIn(line: string, name: string): string | undefined {
  const [, value] = new RegExp(`^\\s*(?:export\\s+)?${name}=(.*)$`).exec(line) ?? [];
  return value?.trim().replace(/^(["'])(.*)\1$/, "$2");
}

/**
 * Programs use `locale` for `variables`, such as "LANG" or "LC_TIME", from the next login on: /etc/default/locale says so. The locale is
 * made available first. Unapplying it removes the variables; the locale stays.
 *
 * @example locale.selectedFor("en_GB.UTF-8", "LANG", "LC_TIME")
 */
export const selectedFor = defproplist({
  name: "locale.selectedFor",
  args: object({ locale: localeName(), variables: list(oneOf(...variables), { minItems: 1 }) }),
  call: (locale: string, ...variables: Variable[]) => ({ locale, variables }),
  desc: ({ locale, variables }) => `locale ${locale} for ${variables.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ locale, variables }) => [needed(available(locale)), selected({ locale, variables })],
});
