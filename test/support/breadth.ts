/** Whether every row of the large tables is run. Otherwise those are left out that go through the same code as another one. */
export const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);
