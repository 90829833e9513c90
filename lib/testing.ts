/**
 * What the tests of a property may import: `import { onBothTargets } from "consfigurator/testing"`. Our own properties are
 * tested with it.
 */
export { type OnTarget, onBothTargets, targetOf } from "./test-harness/both-targets";
