import { schema } from "consfigurator";

const { either, line, list, string } = schema;

/** Content as it may be said: a text, or its lines. */
export type Lines = string | readonly string[];

export const content = (): schema.Schema<Lines> => either(string(), list(line()));

/** One line as it stands in a file: the end of the line is the file's own matter. */
export const fileLine = () => string({ pattern: "^[^\\n\\r]*$", description: "one line, without its end" });

/** `said` as a whole text: each line is ended, and so is the last line of a text. */
export const wholeText = (said: Lines): string =>
  typeof said !== "string"
    ? said.map((each) => `${each}\n`).join("")
    : said === "" || said.endsWith("\n")
      ? said
      : `${said}\n`;
