/** A change of a host: one that a plan foresees, or one that a deployment made. Plain data, the same wherever it appears. */
export type HostChange =
  | FileChange
  | PackageChange
  | AccountChange
  | UnitChange
  | MountChange
  | CommandChange;

/** A value before and after. An absent side: there was none, or there is none any more. */
export interface FromTo<T> {
  readonly from?: T;
  readonly to?: T;
}

/** A file, directory or link that was created, modified or removed. Only what changed is there. */
export interface FileChange {
  readonly kind: "file";
  readonly change: "created" | "modified" | "removed";
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly content?: ContentChange;
  /** Permission bits. */
  readonly mode?: FromTo<number>;
  /** As `UID:GID`. */
  readonly owner?: FromTo<string>;
  /** The text of a symbolic link. */
  readonly link?: FromTo<string>;
  /** The new path of a file that was renamed. */
  readonly renamed?: string;
  /** Of the content before and after, with the key of a plan: only there, and in deployments that are bound to it. */
  readonly digest?: string;
}

/** How the content of a file changed. Sizes are in bytes. */
export type ContentChange =
  /** A unified diff, without the two lines that name the files. */
  | {
      readonly form: "diff";
      readonly diff: string;
      readonly added: number;
      readonly removed: number;
      /** True: the end of the diff was left out; `added` and `removed` count all of it. */
      readonly cut?: boolean;
    }
  /** "secret": not everyone on the host may read the file. "binary": it is no text. "large": it is over the limit, or was copied unread. */
  | {
      readonly form: "secret" | "binary" | "large";
      readonly size: FromTo<number>;
      /** The first 16 digits of the SHA-256; never of a secret. */
      readonly sha256?: FromTo<string>;
    };

export interface PackageChange {
  readonly kind: "package";
  readonly name: string;
  readonly version: FromTo<string>;
}

export interface AccountChange {
  readonly kind: "account" | "group";
  readonly change: "created" | "modified" | "removed";
  readonly name: string;
  /** What changed in an account that was there before, such as "shell: /bin/sh → /bin/bash". */
  readonly detail?: string;
}

export interface UnitChange {
  readonly kind: "unit";
  readonly unit: string;
  /** What happened to it. */
  readonly change:
    | "started"
    | "stopped"
    | "restarted"
    | "reloaded"
    | "enabled"
    | "disabled"
    | "masked"
    | "unmasked";
}

export interface MountChange {
  readonly kind: "mount";
  readonly change: "mounted" | "unmounted";
  readonly path: string;
}

/** A command that acts. What it changes is in other changes, as far as that is known. */
export interface CommandChange {
  readonly kind: "command";
  /** As messages show it, shortened when long. Never contains its input, its variables, or secrets. */
  readonly command: string;
}
