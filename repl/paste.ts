import type { REPLServer } from "node:repl";
import { statementLines } from "./_language";
import { pastedInputs } from "./_paste";
import type { PasteTaker } from "./keyboard";
import { commandAt } from "./playbook";

/** The members of a readline interface that Node does not document. */
interface Editor extends Omit<REPLServer, "line" | "cursor"> {
  line: string;
  cursor: number;
  readonly history: string[];
  _insertString(text: string): void;
  _refreshLine(): void;
}

/** Inserts what is pasted where the user types in `server`. */
export const pasteInto = (server: REPLServer): PasteTaker => ({
  split: (text) =>
    // What continues a line that the user has begun is one input with it.
    server.line.trim() !== ""
      ? [{ text: text.replaceAll(/\r\n?/g, "\n").replace(/\n$/, ""), complete: /[\r\n]$/.test(text) }]
      : pastedInputs(text, statementLines, (lines, index) => commandAt(lines, index) !== undefined),
  insert: (text) => {
    const editor = server as unknown as Editor;
    if (text.includes("\n")) {
      // Node takes the newest entry for the first lines of a multiline input, typed before, and replaces it.
      if (!editor.line.includes("\n")) editor.history.unshift("");
      // It notices that an input has several lines only when they are inserted before something.
      if (editor.cursor === editor.line.length) editor.line += " ";
    }
    editor._insertString(text);
    editor.cursor = editor.line.length;
    editor._refreshLine();
  },
});
