/** What the tools of shadow-utils do to the files of accounts, for plans. */
import type { PlanModel, User } from "consfigurator";

type Lines = readonly string[];

const ids = (lines: Lines): number[] => lines.map((line) => Number(line.split(":")[2]));

/** The number that useradd and groupadd would choose: one above the greatest in the range for people. */
const nextId = (taken: readonly number[]): number =>
  Math.max(999, ...taken.filter((id) => id >= 1000 && id <= 60_000)) + 1;

/** `useradd -m`: the account, its group, and a home directory with a copy of /etc/skel. */
export async function predictUseradd(
  model: PlanModel,
  name: string,
  { uid, gid }: { readonly uid?: number; readonly gid?: number } = {},
): Promise<undefined> {
  const [accounts, groups] = await Promise.all([
    model.readLines("/etc/passwd"),
    model.readLines("/etc/group"),
  ]);
  const own = uid ?? nextId([...ids(accounts), ...ids(groups)]);
  const group = gid ?? own;
  const home = `/home/${name}`;
  await model.editLines("/etc/passwd", (lines) => [...lines, `${name}:x:${own}:${group}::${home}:/bin/sh`]);
  if (gid === undefined) await predictGroupadd(model, name, group);
  await predictShadow(model, name);
  model.mayChange({ paths: ["/etc/subuid", "/etc/subgid", "/var/mail", "/var/spool/mail"] });
  if (await model.stat(home)) return undefined;
  await model.makeDirectory(home, { mode: 0o700 });
  await model.setOwner(home, { user: String(own), group: String(group) });
  for (const each of (await model.list("/etc/skel")) ?? []) {
    if ((await model.lstat(`/etc/skel/${each}`))?.type !== "file") {
      model.mayChange({ paths: [`${home}/${each}`] });
      continue;
    }
    await model.copyFile(`/etc/skel/${each}`, `${home}/${each}`);
    await model.setOwner(`${home}/${each}`, { user: String(own), group: String(group) });
  }
  return undefined;
}

/** A new account has no password. */
async function predictShadow(model: PlanModel, name: string): Promise<void> {
  if ((await model.identity()).uid !== 0) return model.mayChange({ paths: ["/etc/shadow"] });
  const today = Math.floor(Date.now() / 86_400_000);
  await model.editLines("/etc/shadow", (lines) => [...lines, `${name}:!:${today}:0:99999:7:::`]);
}

export async function predictGroupadd(model: PlanModel, name: string, gid?: number): Promise<undefined> {
  const number = gid ?? nextId(ids(await model.readLines("/etc/group")));
  await model.editLines("/etc/group", (lines) => [...lines, `${name}:x:${number}:`]);
  model.mayChange({ paths: ["/etc/gshadow"] });
  return undefined;
}

/** Replaces field `index` of the line of `name` in a table such as passwd(5). */
export async function predictField(
  model: PlanModel,
  table: string,
  name: string,
  index: number,
  change: (value: string) => string,
): Promise<undefined> {
  await model.editLines(table, (lines) =>
    lines.map((line) => {
      const fields = line.split(":");
      if (fields[0] !== name) return line;
      fields[index] = change(fields[index] ?? "");
      return fields.join(":");
    }),
  );
  return undefined;
}

/** `usermod -a -G`. */
export async function predictGroups(
  model: PlanModel,
  name: string,
  groups: readonly string[],
): Promise<undefined> {
  for (const group of groups)
    await predictField(model, "/etc/group", group, 3, (members) => {
      const all = members.split(",").filter((member) => member !== "");
      return all.includes(name) ? members : [...all, name].join(",");
    });
  model.mayChange({ paths: ["/etc/gshadow"] });
  return undefined;
}

/** `userdel`: without its home directory, unless `removesHome`. */
export async function predictUserdel(
  model: PlanModel,
  name: string,
  removesHome: boolean,
): Promise<undefined> {
  const found = await model.user(name);
  if (!found) return undefined;
  model.mayFail();
  const isOthers = (fields: readonly string[]) => fields[0] !== name;
  const others = (lines: Lines) => lines.filter((line) => isOthers(line.split(":")));
  const accounts = await model.readLines("/etc/passwd");
  await model.editLines("/etc/passwd", others);
  if ((await model.identity()).uid === 0) await model.editLines("/etc/shadow", others);
  const isShared = others(accounts).some((line) => line.split(":")[3] === String(found.gid));
  await model.editLines("/etc/group", (lines) =>
    lines.flatMap((line) => {
      const [group = "", password = "", gid = "", members = ""] = line.split(":");
      const left = members.split(",").filter((member) => member !== name && member !== "");
      if (group === name && gid === String(found.gid) && left.length === 0 && !isShared) return [];
      return members.split(",").includes(name) ? [[group, password, gid, left.join(",")].join(":")] : [line];
    }),
  );
  model.mayChange({ paths: ["/etc/gshadow", "/etc/subuid", "/etc/subgid"] });
  if (!removesHome) return undefined;
  await model.remove(found.home, { recursive: true });
  model.mayChange({ paths: ["/var/mail", "/var/spool/mail"] });
  return undefined;
}

/** `groupdel`. */
export async function predictGroupdel(model: PlanModel, name: string): Promise<undefined> {
  await model.editLines("/etc/group", (lines) => lines.filter((line) => line.split(":")[0] !== name));
  model.mayChange({ paths: ["/etc/gshadow"] });
  return undefined;
}

/** What differs between an account before and after. */
export const accountDetail = (before: User, after: Partial<User>): string =>
  Object.entries(after)
    .filter(([field, value]) => before[field as keyof User] !== value)
    .map(([field, value]) => `${field}: ${before[field as keyof User]} → ${value}`)
    .join(", ");
