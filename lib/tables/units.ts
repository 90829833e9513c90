import { object, string } from "../model/schema";
import { deftable } from "../model/table";
import { microsecondsOf, timeOf, unitsMatching } from "./_systemd";

/** The services that systemd has loaded, by name: active, failed or ended. `since`: when it became active. */
export const services = deftable({
  name: "tables.services",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (
      await unitsMatching(target, "*.service", [
        "ActiveState",
        "SubState",
        "UnitFileState",
        "MainPID",
        "MemoryCurrent",
        "ActiveEnterTimestamp",
        "NRestarts",
        "Description",
      ])
    ).map((unit) => ({
      name: unit.get("Id")?.replace(/\.service$/, "") ?? "",
      state: unit.get("ActiveState") ?? "",
      detail: unit.get("SubState") ?? "",
      enabled: unit.get("UnitFileState") || null,
      pid: Number(unit.get("MainPID")) || null,
      memoryBytes: memoryOf(unit.get("MemoryCurrent")),
      restarts: Number(unit.get("NRestarts")) || 0,
      since: timeOf(unit.get("ActiveEnterTimestamp")),
      description: unit.get("Description") ?? "",
    })),
});

/** The units that match a pattern of systemctl(1), such as "*.socket", and that systemd has loaded. */
export const units = deftable({
  name: "tables.units",
  args: object({ pattern: string() }),
  call: (pattern?: string) => ({ pattern: pattern ?? "*" }),
  rows: async ({ pattern }, target) =>
    (await unitsMatching(target, pattern, ["ActiveState", "SubState", "UnitFileState", "FragmentPath"])).map(
      (unit) => ({
        name: unit.get("Id") ?? "",
        state: unit.get("ActiveState") ?? "",
        detail: unit.get("SubState") ?? "",
        enabled: unit.get("UnitFileState") || null,
        file: unit.get("FragmentPath") || null,
      }),
    ),
});

/** The units that have failed, with the result that systemd gives for it. */
export const failed = deftable({
  name: "tables.failed",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (
      await unitsMatching(target, "*", [
        "ActiveState",
        "Result",
        "ExecMainStatus",
        "StateChangeTimestamp",
        "Description",
      ])
    )
      .filter((unit) => unit.get("ActiveState") === "failed")
      .map((unit) => ({
        name: unit.get("Id") ?? "",
        result: unit.get("Result") ?? "",
        exit: unit.has("ExecMainStatus") ? Number(unit.get("ExecMainStatus")) : null,
        since: timeOf(unit.get("StateChangeTimestamp")),
        description: unit.get("Description") ?? "",
      })),
});

/** The timers that systemd has loaded: when each starts its unit next, and when it did last. */
export const timers = deftable({
  name: "tables.timers",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (
      await unitsMatching(target, "*.timer", [
        "ActiveState",
        "NextElapseUSecRealtime",
        "LastTriggerUSec",
        "Unit",
      ])
    ).map((unit) => ({
      name: unit.get("Id")?.replace(/\.timer$/, "") ?? "",
      state: unit.get("ActiveState") ?? "",
      next: momentOf(unit.get("NextElapseUSecRealtime")),
      last: momentOf(unit.get("LastTriggerUSec")),
      unit: unit.get("Unit") ?? "",
    })),
});

/** Versions of systemd differ in whether such a time is printed as a number of microseconds. */
const momentOf = (text: string | undefined): string | null =>
  text?.startsWith("@") ? timeOf(text) : microsecondsOf(text);

/** systemd gives the greatest 64-bit number where it does not count. */
const memoryOf = (text: string | undefined): number | null => {
  const bytes = Number(text);
  return bytes > 0 && bytes < 2 ** 60 ? bytes : null;
};
