/** What repeats a deployment on its host, and the options that all have in common. */
import { imageDumped, type PropApp, type RepetitionOptions } from "consfigurator";

export const callOfRepetition = (when: string, { without }: RepetitionOptions = {}) => ({
  when,
  ...(without && { without: [...without] }),
});

/** The program that repeats the deployment, with the data that the host does not keep. */
export const repeatedWithout = (without: RepetitionOptions["without"]): PropApp =>
  without ? imageDumped(undefined, { without }) : imageDumped();
