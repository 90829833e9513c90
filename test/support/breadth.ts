/**
 * Whether every row of the large tables is run, which takes three times as long. Otherwise those are left out that go through
 * the same code as another one.
 */
export const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);
