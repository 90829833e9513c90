import { AbortedChange, defprop, type PosixTarget, schema } from "consfigurator";

const { list, object, path, string } = schema;

const entry = () =>
  string({
    pattern: "^(?:d(?:efault)?:)?(?:u(?:ser)?|g(?:roup)?):[A-Za-z0-9_][A-Za-z0-9_.$-]*:[r-]?[w-]?[x-]?$",
    description:
      'an entry of an access control list, such as "user:ana:rw", "group:www-data:r-x" or "default:user:ana:rwx"',
  });
const aclArgs = object({ path: path(), entries: list(entry(), { minItems: 1 }) });
type AclArgs = schema.Infer<typeof aclArgs>;

/**
 * The access control list of `path` has each of `entries`: the user or group may do what is given, as with
 * `setfacl --modify`, which also adjusts the mask. With `default:` in front, what is created in the directory later has the
 * entry. Other entries are left alone. Unapplying it deletes these entries, and those for the same users and groups with
 * other permissions; with the last entry of a default list, that list.
 *
 * @example file.hasAcl("/srv/www", "user:ana:rwx", "default:user:ana:rwx")
 */
export const hasAcl = defprop({
  name: "file.hasAcl",
  kind: "posix",
  args: aclArgs,
  call: (path: string, ...entries: string[]) => ({ path, entries }),
  desc: ({ path, entries }) => `${path} has the ACL ${entries.join(", ")}`,
  apply: async (args, target) => {
    const wanted = await resolved(args, target);
    const present = await aclOf(args.path, target);
    const missing = wanted.filter((each) => present.get(each.whom) !== each.may);
    if (missing.length === 0) return "unchanged";
    await target.run(
      ["setfacl", "-m", missing.map(({ whom, may }) => `${whom}:${may}`).join(","), "--", args.path],
      {
        touches: { paths: [args.path] },
      },
    );
    return "changed";
  },
  unapply: async (args, target) => {
    const present = await aclOf(args.path, target);
    const there = (await resolved(args, target)).filter(({ whom }) => present.has(whom));
    if (there.length === 0) return "unchanged";
    const left = [...present.keys()].filter((each) => !there.some(({ whom }) => whom === each));
    // A mask, and a default list, that is there for nobody would stay.
    const removed = ["", "default:"].flatMap((scope) => {
      const names = there.map(({ whom }) => whom).filter((whom) => isIn(whom, scope));
      if (names.length === 0 || left.some((each) => isIn(each, scope))) return names;
      return scope === "" ? [...names, "mask"] : [];
    });
    const noDefault =
      there.some(({ whom }) => isIn(whom, "default:")) && !left.some((each) => isIn(each, "default:"));
    await target.run(
      [
        ...["setfacl", ...(noDefault ? ["-k"] : [])],
        ...(removed.length > 0 ? ["-x", removed.join(",")] : []),
        ...["--", args.path],
      ],
      { touches: { paths: [args.path] } },
    );
    return "changed";
  },
});

const isIn = (whom: string, scope: string): boolean => whom.startsWith("default:") === (scope === "default:");

interface Entry {
  /** As getfacl --numeric prints it: `user:1000`, `default:group:33`. */
  readonly whom: string;
  readonly may: string;
}

/** The entries with numbers for names, which are the same on both sides of a comparison. */
const resolved = ({ entries }: AclArgs, target: PosixTarget): Promise<Entry[]> =>
  Promise.all(
    entries.map(async (each) => {
      const words = each.split(":");
      const [may = "", name = "", kind = ""] = words.toReversed();
      const isUser = kind.startsWith("u");
      const id = isUser ? (await target.user(name))?.uid : (await target.group(name))?.gid;
      if (id === undefined && !/^\d+$/.test(name))
        throw new AbortedChange(
          `there is no ${isUser ? "user" : "group"} ${name} on ${target.host.name} for the ACL "${each}"; put what creates it before this property`,
        );
      const whom = `${words.length > 3 ? "default:" : ""}${isUser ? "user" : "group"}:${id ?? name}`;
      return { whom, may: ["r", "w", "x"].map((right) => (may.includes(right) ? right : "-")).join("") };
    }),
  );

/** What each user and group may do by the list of `path`, without the mask. */
async function aclOf(path: string, target: PosixTarget): Promise<Map<string, string>> {
  if (!(await target.hasCommand("setfacl")))
    throw new AbortedChange(
      `${target.host.name} has no setfacl; put apt.installed("acl"), or what provides it there, before this property`,
    );
  if (!(await target.stat(path)))
    throw new AbortedChange(
      `cannot set the ACL of ${path}: no such file or directory; put what creates it before this property`,
    );
  const absolute = (await target.realPath(path)) ?? path;
  const { stdout } = await target.query(["getfacl", "-c", "-n", "-E", "-p", "--", path], {
    about: { paths: [absolute] },
  });
  return new Map(
    stdout.split("\n").flatMap((line) => {
      const [, whom, may] = /^((?:default:)?(?:user|group):\d+):([r-][w-][x-])/.exec(line) ?? [];
      return whom !== undefined && may !== undefined ? [[whom, may] as const] : [];
    }),
  );
}
