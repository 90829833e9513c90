import path from "node:path";
import { after, before, describe, test } from "node:test";
import { bootMachine, type Machine, needsMachines } from "../support/machines";
import { pages } from "../support/pages";
import { hasActs, walk } from "../support/walk";

/** The consfig in which the playbooks of docs/playbooks.md run. */
const consfig = path.join(__dirname, "../support/playbooks");

describe("the examples of the documentation", needsMachines(), () => {
  let machine: Machine;
  before(async () => {
    machine = await bootMachine({ name: "web1" });
  });
  after(() => machine?.stop());

  for (const page of pages().filter(hasActs)) {
    test(`${page} gives the documented output`, () => walk(page, machine, consfig));
  }
});
