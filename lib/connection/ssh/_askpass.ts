import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Asker } from "../../model/hop";
import { shellQuote } from "../../util/shell-quote";
import { closedByHost } from "./_link";

/** Lets the system's `ssh` ask the user at our terminal, through an SSH_ASKPASS program that connects to this process. */
export interface Askpass {
  /** Environment variables for `ssh`. */
  readonly env: Readonly<Record<string, string>>;
  /** True: the host closed the connection while a question was open, which was withdrawn then. */
  readonly hostGaveUp: boolean;
  close(): Promise<void>;
}

/** Calls `notice` for messages that need no answer, such as that a hardware key waits for a touch. */
export async function askpass(ask: Asker, notice: (text: string) => void): Promise<Askpass> {
  const directory = await mkdtemp(path.join(tmpdir(), "consfig-ask-"));
  const program = path.join(directory, "askpass");
  const socketPath = path.join(directory, "socket");
  let hostGaveUp = false;
  const gaveUp = () => {
    hostGaveUp = true;
  };
  const server = createServer(
    { allowHalfOpen: true },
    (socket) => void answer(socket, ask, notice, gaveUp).catch(() => socket.destroy()),
  );
  await new Promise<void>((listening) => server.listen(socketPath, listening));
  await writeFile(path.join(directory, "client.js"), CLIENT, { mode: 0o600 });
  const words = [process.execPath, path.join(directory, "client.js"), socketPath].map(shellQuote).join(" ");
  await writeFile(program, `#!/bin/sh\nexec ${words} "$1"\n`, { mode: 0o700 });
  return {
    env: { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: "force" },
    get hostGaveUp() {
      return hostGaveUp;
    },
    close: async () => {
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Sends the question, with the process id of `ssh`, and prints the answer. Exits with 1 when there is none, which `ssh` takes as a no. */
const CLIENT = `
const socket = require("node:net").connect(process.argv[2]);
const kind = process.env.SSH_ASKPASS_PROMPT;
socket.write(JSON.stringify({ question: process.argv[3], kind, ssh: process.ppid }) + "\\n");
let answer = "";
socket.setEncoding("utf8").on("data", (text) => { answer += text; });
socket.on("error", () => process.exit(1));
socket.on("close", () => {
  if (answer === "") process.exit(1);
  process.stdout.write(JSON.parse(answer) + "\\n");
});
`;

interface Request {
  readonly question: string;
  readonly kind?: string;
  readonly ssh: number;
}

async function answer(
  socket: Socket,
  ask: Asker,
  notice: (text: string) => void,
  gaveUp: () => void,
): Promise<void> {
  const { question, kind, ssh } = await requestFrom(socket);
  // ssh kills the program when the answer is no longer needed, which closes the socket.
  const gone = new AbortController();
  const { signal } = gone;
  socket.once("end", () => gone.abort()).once("error", () => gone.abort());
  if (kind === "none") return notice(question.trim());
  const answered = new AbortController();
  void closedByHost(ssh, AbortSignal.any([signal, answered.signal])).then((isClosed) => {
    if (!isClosed) return;
    gaveUp();
    gone.abort();
  });
  try {
    await reply(socket, question, kind, ask, signal);
  } finally {
    answered.abort();
  }
}

async function reply(
  socket: Socket,
  question: string,
  kind: string | undefined,
  ask: Asker,
  signal: AbortSignal,
): Promise<void> {
  if (/\(yes\/no/.test(question) || kind === "confirm") {
    const yes = await ask.confirm(question.replace(/\s*\(yes\/no.*$/s, "").trim(), { signal });
    socket.end(yes ? JSON.stringify("yes") : kind === "confirm" ? "" : JSON.stringify("no"));
    return;
  }
  const secret = await ask.secret(question.trim(), { signal });
  socket.end(secret === undefined ? "" : JSON.stringify(secret));
}

/** The question that the program sends, on one line. */
function requestFrom(socket: Socket): Promise<Request> {
  let text = "";
  return new Promise((resolve, reject) => {
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.endsWith("\n")) resolve(JSON.parse(text) as Request);
    });
    socket.once("end", () => reject(new Error("ssh withdrew its question")));
  });
}
