import { defproplist, schema } from "consfigurator";
import { file } from "consfigurator/properties";

/** The host serves the release `release`. */
export const served = defproplist({
  name: "app.served",
  args: schema.object({ release: schema.line() }),
  call: (release: string) => ({ release }),
  desc: ({ release }) => `serves ${release}`,
  parts: ({ release }) => [file.hasContent("served", release)],
});
