import type { CommandResult } from "./errors";
import type { FileStat, HostParts } from "./target";

/** Who planned something: the step by its number, and whether it is certain to do it. */
export interface PlannedBy {
  readonly step: number;
  readonly certain: boolean;
}

/** A file, directory or link as a plan expects it. */
export interface PlannedNode {
  readonly type: FileStat["type"];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file. Undefined: as on the host, at `source`. */
  readonly content?: Buffer;
  /** Of a link. */
  readonly link?: string;
  /** True, of a directory: nothing of the host is in it. */
  readonly fresh?: boolean;
  /** Where the content of the file, or of the directory, is on the host; default: at the same path. */
  readonly source?: string;
}

/** What a step of a plan would do to the host, as plain data: a nested plan begins and ends with it. */
export type PlannedAct = PlannedBy &
  (
    | {
        readonly kind: "file";
        /** Absolute, without links in its directories. */
        readonly place: string;
        /** Undefined: there is nothing any more. */
        readonly node?: PlannedNode;
      }
    | {
        readonly kind: "unknown";
        /** What may be changed in a way that is not known. Undefined: anything. */
        readonly parts?: HostParts;
      }
    | {
        readonly kind: "answer";
        readonly command: string;
        readonly result: CommandResult;
        readonly about: HostParts;
      }
  );

/** Whether `value`, which comes from a host, is an act that a plan can go on with. */
export function isPlannedAct(value: unknown): value is PlannedAct {
  if (!isRecord(value) || !Number.isSafeInteger(value["step"]) || typeof value["certain"] !== "boolean")
    return false;
  const { kind, place, node, parts, command, result, about } = value;
  if (kind === "file") return isPlace(place) && (node === undefined || isNode(node));
  if (kind === "unknown") return parts === undefined || isParts(parts);
  return kind === "answer" && typeof command === "string" && isResult(result) && isParts(about);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isPlace = (value: unknown): value is string => typeof value === "string" && value.startsWith("/");
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isOptional = (value: unknown, is: (given: unknown) => boolean): boolean =>
  value === undefined || is(value);

const isNode = (value: unknown): boolean =>
  isRecord(value) &&
  ["file", "directory", "symlink", "other"].includes(value["type"] as string) &&
  [value["mode"], value["uid"], value["gid"]].every(isCount) &&
  isOptional(value["content"], Buffer.isBuffer) &&
  isOptional(value["link"], (link) => typeof link === "string") &&
  isOptional(value["fresh"], (fresh) => typeof fresh === "boolean") &&
  isOptional(value["source"], isPlace);

const isResult = (value: unknown): boolean =>
  isRecord(value) &&
  isCount(value["exit"]) &&
  [value["stdout"], value["stderr"]].every((each) => typeof each === "string");

const isParts = (value: unknown): boolean =>
  isRecord(value) &&
  isOptional(value["paths"], (paths) => Array.isArray(paths) && paths.every(isPlace)) &&
  isOptional(
    value["units"],
    (units) =>
      units === true || (Array.isArray(units) && units.every((unit: unknown) => typeof unit === "string")),
  ) &&
  ["packages", "accounts", "additions"].every((name) =>
    isOptional(value[name], (flag) => typeof flag === "boolean"),
  );
