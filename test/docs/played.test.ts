import path from "node:path";
import { after, before, describe, test } from "node:test";
import { bootMachine, type Machine, needsMachines } from "../support/machines";
import { pages } from "../support/pages";
import { hasActs, walk } from "../support/walk";

/** Stands in for the consfig of somebody who plays what docs/playbooks.md shows. */
const consfig = path.join(__dirname, "../support/playbooks");

describe("what the documentation does", needsMachines(), () => {
  let machine: Machine;
  before(async () => {
    machine = await bootMachine({ name: "web1" });
  });
  after(() => machine?.stop());

  for (const page of pages().filter(hasActs)) {
    test(`${page} comes to what it says`, () => walk(page, machine, consfig));
  }
});
