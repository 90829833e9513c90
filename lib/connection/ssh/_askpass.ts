import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Asker } from "../../model/hop";
import { shellQuote } from "../../util/shell-quote";

/** Lets the system's `ssh` ask the user at our terminal, through an SSH_ASKPASS program that connects to this process. */
export interface Askpass {
  /** Environment variables for `ssh`. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Calls `notice` for messages that need no answer, such as that a hardware key waits for a touch. */
export async function askpass(ask: Asker, notice: (text: string) => void): Promise<Askpass> {
  const directory = await mkdtemp(path.join(tmpdir(), "consfig-ask-"));
  const program = path.join(directory, "askpass");
  const socketPath = path.join(directory, "socket");
  const server = createServer(
    { allowHalfOpen: true },
    (socket) => void answer(socket, ask, notice).catch(() => socket.destroy()),
  );
  await new Promise<void>((listening) => server.listen(socketPath, listening));
  await writeFile(path.join(directory, "client.js"), CLIENT, { mode: 0o600 });
  const words = [process.execPath, path.join(directory, "client.js"), socketPath].map(shellQuote).join(" ");
  await writeFile(program, `#!/bin/sh\nexec ${words} "$1"\n`, { mode: 0o700 });
  return {
    env: { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: "force" },
    close: async () => {
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Sends the question and prints the answer. Exits with 1 when there is none, which `ssh` takes as a no. */
const CLIENT = `
const socket = require("node:net").connect(process.argv[2]);
socket.write(JSON.stringify({ question: process.argv[3], kind: process.env.SSH_ASKPASS_PROMPT }) + "\\n");
let answer = "";
socket.setEncoding("utf8").on("data", (text) => { answer += text; });
socket.on("error", () => process.exit(1));
socket.on("close", () => {
  if (answer === "") process.exit(1);
  process.stdout.write(JSON.parse(answer) + "\\n");
});
`;

async function answer(socket: Socket, ask: Asker, notice: (text: string) => void): Promise<void> {
  const { question, kind } = await requestFrom(socket);
  // ssh kills the program when the answer is no longer needed, which closes the socket.
  const gone = new AbortController();
  const { signal } = gone;
  socket.once("end", () => gone.abort()).once("error", () => gone.abort());
  if (kind === "none") return notice(question.trim());
  if (/\(yes\/no/.test(question) || kind === "confirm") {
    const yes = await ask.confirm(question.replace(/\s*\(yes\/no.*$/s, "").trim(), { signal });
    socket.end(yes ? JSON.stringify("yes") : kind === "confirm" ? "" : JSON.stringify("no"));
    return;
  }
  const secret = await ask.secret(question.trim(), { signal });
  socket.end(secret === undefined ? "" : JSON.stringify(secret));
}

/** The question that the program sends, on one line. */
function requestFrom(socket: Socket): Promise<{ question: string; kind?: string }> {
  let text = "";
  return new Promise((resolve, reject) => {
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.endsWith("\n")) resolve(JSON.parse(text) as { question: string; kind?: string });
    });
    socket.once("end", () => reject(new Error("ssh withdrew its question")));
  });
}
