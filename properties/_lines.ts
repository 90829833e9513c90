import { schema } from "consfigurator";

const { either, line, list, string } = schema;

/** Content as a string, or as a list of lines. */
export type Lines = string | readonly string[];

export const content = (): schema.Schema<Lines> => either(string(), list(line()));

/** One line of a file. The file determines the line ending. */
export const fileLine = () => string({ pattern: "^[^\\n\\r]*$", description: "one line, without a newline" });

/** `lines` as one string. Each line ends with a newline, and so does a string that is not empty. */
export const wholeText = (lines: Lines): string =>
  typeof lines !== "string"
    ? lines.map((each) => `${each}\n`).join("")
    : lines === "" || lines.endsWith("\n")
      ? lines
      : `${lines}\n`;
