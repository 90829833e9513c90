/**
 * Another user who can write to the directory that root works in, and exchanges files, links and directories as fast as it
 * can, gains nothing: no file of root's changes its owner, mode, content or name, and none is removed.
 *
 * `npm run races` takes ten thousand rounds for each act.
 */

import { after, before, describe, test } from "node:test";
import { limit } from "../../support/load";
import { actNames, isRace, noRace, Races } from "./_racing";

const ROUNDS = { agent: 150, posix: 20 };

describe("a racing user", { skip: noRace }, () => {
  let races: Races;
  before(() => {
    races = new Races();
  });
  after(() => races?.end());

  for (const kind of ["agent", "posix"] as const)
    describe(kind, () => {
      for (const name of actNames.filter((each) => isRace(kind, each)))
        test(name, { timeout: limit(300) }, () => races.run(kind, name, ROUNDS[kind]));
    });
});
