/** What Apache has available and enabled, on Debian and its derivatives. Changed only in ways that Apache accepts. */
import {
  AbortedChange,
  type Change,
  defprop,
  type PlanModel,
  type PosixTarget,
  schema,
  shellQuote,
  shellWords,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { refuseUnlessAccepted } from "./_judged";
import { needsRoot } from "./_needs";

const { object, oneOf, string } = schema;

const kinds = {
  mod: { directory: "mods", suffix: ".load", shown: "module" },
  conf: { directory: "conf", suffix: ".conf", shown: "configuration" },
  site: { directory: "sites", suffix: ".conf", shown: "site" },
} as const;
type Kind = keyof typeof kinds;

const ETC = "/etc/apache2";
/** a2enmod and its like note here what the administrator wants. */
const NOTES = "/var/lib/apache2";

interface Item {
  readonly kind: Kind;
  readonly name: string;
}

export const availableFile = ({ kind, name }: Item): string =>
  `${ETC}/${kinds[kind].directory}-available/${name}${kinds[kind].suffix}`;
const enabledFile = ({ kind, name }: Item): string =>
  `${ETC}/${kinds[kind].directory}-enabled/${name}${kinds[kind].suffix}`;

/** A link to a file that is gone counts as missing, as for a2query. */
const isEnabled = async (target: PosixTarget, item: Item): Promise<boolean> =>
  (await target.stat(enabledFile(item)))?.type === "file";

/** Throws `AbortedChange` unless Apache accepts its whole configuration with the change that `script` makes to a copy of it. */
const judge = (
  target: PosixTarget,
  what: string,
  done: string,
  script: string,
  input?: Buffer,
): Promise<void> =>
  refuseUnlessAccepted(target, {
    directory: ETC,
    change: `export APACHE_CONFDIR="$COPY" APACHE_STATEDIR="$COPY/.notes" && mkdir "$APACHE_STATEDIR" && ${script}`,
    ...(input && { input }),
    judge: "apache2ctl -t",
    refused: `Apache refuses its configuration with ${what}`,
    done,
  });

const fileArgs = object({
  kind: oneOf("conf", "site"),
  name: string(),
  text: string(),
  property: string(),
});

/** The file of a configuration or of a site. One that is enabled is judged by Apache before it is replaced. */
export const file = defprop({
  name: "apache._file",
  kind: "posix",
  args: fileArgs,
  desc: (args) => `content of ${availableFile(args)}`,
  apply: async (args, target) => {
    await needsRoot(target, args.property);
    const path = availableFile(args);
    const validate = async (input: Buffer) => {
      if (!(await isEnabled(target, args))) return;
      const draft = `"$COPY"${shellQuote(path.slice(ETC.length))}`;
      const what = `the new content of ${path}`;
      await judge(target, what, "written", `cat >${draft}`, input);
    };
    return withCreatedNoted(target, path, () => target.ensureContent(path, args.text, { validate }));
  },
  unapply: async (args, target) => {
    await needsRoot(target, args.property);
    const path = availableFile(args);
    return withCreatedRemoved(target, path, () => target.remove(path));
  },
});

/** A module, a configuration or a site that is available is enabled. Apache judges that before. */
export const enabled = defprop({
  name: "apache._enabled",
  kind: "posix",
  args: object({ kind: oneOf("mod", "conf", "site"), name: string(), property: string() }),
  desc: ({ kind, name }) => `${kinds[kind].shown} ${name} enabled`,
  check: (item, target) => isEnabled(target, item),
  apply: async (item, target) => {
    await needsRoot(target, item.property);
    if ((await target.stat(availableFile(item))) === undefined)
      throw new AbortedChange(
        `Apache has no ${kinds[item.kind].shown} ${item.name}; correct the name, or ${origin[item.kind]} before this property`,
      );
    return toggled(target, item, "en");
  },
  unapply: async (item, target) => {
    await needsRoot(target, item.property);
    return toggled(target, item, "dis");
  },
});

const origin: Readonly<Record<Kind, string>> = {
  mod: 'put what brings it, such as apt.installed("libapache2-mod-wsgi-py3"),',
  conf: "put apache.confAvailable",
  site: "put apache.siteAvailable",
};

async function toggled(target: PosixTarget, item: Item, verb: "en" | "dis"): Promise<Change> {
  const words = [`a2${verb}${item.kind}`, "--quiet", item.name];
  const done = verb === "en" ? "enabled" : "disabled";
  const what = `the ${kinds[item.kind].shown} ${item.name} ${done}`;
  await judge(target, what, done, `${shellWords(words)} 2>&1`);
  await target.run(words, {
    predict: async (model) => {
      if (verb === "en") await predictEnabled(model, item);
      else await predictDisabled(model, item);
      model.mayChange({ paths: [NOTES] });
      return undefined;
    },
  });
  return "changed";
}

/** With the modules that a module needs, and the configuration of a module. */
async function predictEnabled(model: PlanModel, item: Item): Promise<void> {
  const path = availableFile(item);
  if ((await model.stat(enabledFile(item))) !== undefined || !(await model.stat(path))) return;
  if (item.kind === "mod") {
    const [line = ""] = (await model.readLines(path)).filter((each) => each.startsWith("# Depends: "));
    for (const name of line.split(/[\s,]+/).slice(2)) await predictEnabled(model, { kind: "mod", name });
  }
  for (const suffix of suffixesOf(item)) {
    const { directory } = kinds[item.kind];
    if (await model.stat(`${ETC}/${directory}-available/${item.name}${suffix}`))
      await model.symlink(
        `${ETC}/${directory}-enabled/${item.name}${suffix}`,
        `../${directory}-available/${item.name}${suffix}`,
      );
  }
}

async function predictDisabled(model: PlanModel, item: Item): Promise<void> {
  const { directory } = kinds[item.kind];
  for (const suffix of suffixesOf(item))
    await model.remove(`${ETC}/${directory}-enabled/${item.name}${suffix}`);
}

const suffixesOf = ({ kind }: Item): readonly string[] => (kind === "mod" ? [".load", ".conf"] : [".conf"]);
