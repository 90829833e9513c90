import { createHash, randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { ConsfigError } from "../model/errors";
import type { FleetReport } from "../model/report";
import { hostPlans } from "./bound-plan";
import type { HostPlan } from "./request";

/** A file that is not a plan, or not the plan that was written. */
export class InvalidPlan extends ConsfigError {}

const FORMAT = "consfigurator plan";
/** Raised when older plans can no longer be deployed. */
const VERSION = 1;

interface PlanFile {
  readonly format: typeof FORMAT;
  readonly v: number;
  /** The SHA-256 of `plans` as JSON: it finds files that were cut or edited, and is no signature. */
  readonly sha256: string;
  readonly plans: readonly HostPlan[];
}

/** Writes the plans in `report` to `file`, which only this user may read: it has the keys of the digests. Returns their number. */
export function writePlan(file: string, report: FleetReport): number {
  const plans = hostPlans(report);
  const content: PlanFile = { format: FORMAT, v: VERSION, sha256: digest(plans), plans };
  // Its name cannot be guessed, and nothing that is there is followed: the directory may be open to others.
  const temporary = `${file}.${randomBytes(9).toString("hex")}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(content, null, 1)}\n`, {
      mode: 0o600,
      flag: "wx",
      flush: true,
    });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return plans.length;
}

/** The plans in `file`, by host. Throws `InvalidPlan` with what is wrong with it. */
export function readPlan(file: string): ReadonlyMap<string, HostPlan> {
  const { format, v, sha256, plans } = parsed(file);
  if (format !== FORMAT || !Array.isArray(plans)) throw notPlan(file);
  if (v !== VERSION)
    throw new InvalidPlan(
      `${file} is a plan of version ${v}, and this is for version ${VERSION}; make a new plan`,
    );
  if (sha256 !== digest(plans))
    throw new InvalidPlan(`${file} is not as it was written: its digest differs; make a new plan`);
  return new Map(plans.map((plan) => [plan.host, plan]));
}

function parsed(file: string): PlanFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InvalidPlan(code === "ENOENT" ? `there is no plan ${file}` : `cannot read ${file}: ${message}`);
  }
  try {
    return JSON.parse(text) as PlanFile;
  } catch {
    if (!text.includes(FORMAT)) throw notPlan(file);
    throw new InvalidPlan(`${file} is not a complete plan: it is not valid JSON; make a new plan`);
  }
}

const notPlan = (file: string): InvalidPlan =>
  new InvalidPlan(`${file} is not a plan; make one with: consfig plan --out FILE`);

const digest = (plans: readonly HostPlan[]): string =>
  createHash("sha256").update(JSON.stringify(plans)).digest("hex");
