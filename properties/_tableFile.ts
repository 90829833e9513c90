/** Properties that edit a table of words, such as /etc/fstab. */
import {
  attribute,
  type Change,
  type HostModel,
  InapplicableProperty,
  type PosixTarget,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";
import { systemctl } from "./_systemctl";
import { type Columns, keyOf, refuseTwice, updatedTable, withoutEntries, wordsOf } from "./_table";

/** A table, and what else is the same for all entries. */
export interface Table {
  readonly path: string;
  readonly columns: Columns;
  /** Called after a change. */
  readonly changed?: (target: PosixTarget) => Promise<unknown>;
}

/** systemd makes units of the entries. */
async function unitsMadeAnew(target: PosixTarget): Promise<void> {
  const isBooted = (await target.stat("/run/systemd/system")) !== undefined;
  if (isBooted && !isInhibited(target)) await systemctl(target, ["daemon-reload"], {});
}

export const FSTAB: Table = {
  path: "/etc/fstab",
  columns: { source: 0, target: 1 },
  changed: unitsMadeAnew,
};
export const CRYPTTAB: Table = { path: "/etc/crypttab", columns: { source: 1, target: 0 } };

export interface Entries {
  readonly entries: readonly string[];
}

const declared = attribute<readonly [path: string, key: string, entry: string]>("table/entries");

/** The slots of a property, whose name is `property`, that has `entries` in a table. */
export const entriesIn = ({ path, columns, changed }: Table, property: string) => ({
  hostattrs: ({ entries }: Entries, host: HostModel): void => {
    refuseTwice(entries, columns);
    for (const entry of entries) {
      const key = keyOf(wordsOf(entry), columns);
      const other = host.all(declared).find(([at, its]) => at === path && its === key)?.[2];
      if (other !== undefined && other !== entry)
        throw new InapplicableProperty(
          `an earlier property has "${other}" in ${path}, and this one "${entry}"; remove one of them`,
        );
      host.pushNew(declared, [path, key, entry]);
    }
  },
  apply: async ({ entries }: Entries, target: PosixTarget): Promise<Change> => {
    await needsRoot(target, property);
    const change = await withCreatedNoted(target, path, () =>
      target.editLines(path, (lines) => updatedTable(lines, entries, columns)),
    );
    if (change === "changed") await changed?.(target);
    return change;
  },
  unapply: async ({ entries }: Entries, target: PosixTarget): Promise<Change> => {
    await needsRoot(target, property);
    const change = await withCreatedRemoved(target, path, () =>
      target.editLines(path, (lines) => withoutEntries(lines, entries, columns)),
    );
    if (change === "changed") await changed?.(target);
    return change;
  },
});
