import { defprop, schema } from "consfigurator";

/** Whoever logs in is shown `text`. A property of the user's own, whose file the bench edits. */
export const says = defprop({
  name: "banner.says",
  kind: "posix",
  args: schema.object({ text: schema.line() }),
  call: (text: string) => ({ text }),
  desc: ({ text }) => `the banner says "${text}"`,
  apply: async ({ text }, target) => target.ensureContent("/etc/banner", `${text}\n${footer}\n`),
});

const footer = "edition 0";
