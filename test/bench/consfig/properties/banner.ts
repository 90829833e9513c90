import { defprop, schema } from "consfigurator";

/** Users see `text` when they log in. A custom property, whose file the bench edits. */
export const says = defprop({
  name: "banner.says",
  kind: "posix",
  args: schema.object({ text: schema.line() }),
  call: (text: string) => ({ text }),
  desc: ({ text }) => `the banner says "${text}"`,
  apply: async ({ text }, target) => target.ensureContent("/etc/banner", `${text}\n${footer}\n`),
});

const footer = "edition 0";
