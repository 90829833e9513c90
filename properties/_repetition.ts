/** What repeats a deployment on its host, and the options that all have in common. */
import { imageDumped, type PropApp, type RepetitionOptions } from "consfigurator";
import { pair } from "./_datum";

export const callOfRepetition = (when: string, { without }: RepetitionOptions = {}) => ({
  when,
  ...(without && { without: without.map((each) => [...each]) }),
});

/** The program that repeats the deployment, with the data that the host does not keep. */
export const repeatedWithout = (without: readonly (readonly string[])[] | undefined): PropApp =>
  without ? imageDumped(undefined, { without: without.map(pair) }) : imageDumped();
