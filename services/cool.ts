import { appendFileSync, readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { serve } from "consfigurator/service";

/** A guest book: shows to everyone what visitors write. Keeps it in $STATE_DIRECTORY, if that is set. */
export function startServer(port: number): void {
  const book = new GuestBook(process.env["STATE_DIRECTORY"]);
  const server = http.createServer((request, response) => {
    void answer(request, book).then(
      ([status, headers, body]) => response.writeHead(status, headers).end(body),
      (error: Error) => response.writeHead(500, text).end(`${error.message}\n`),
    );
  });
  // On the socket of systemd, if it has one, and without losing a request when it is restarted.
  serve(server, { port, host: "127.0.0.1" });
}

type Answer = [status: number, headers: http.OutgoingHttpHeaders, body: string];

const text = { "content-type": "text/plain; charset=utf-8" };
const html = { "content-type": "text/html; charset=utf-8" };
/** Characters that a visitor may send. */
const MAX_LENGTH = 1000;

async function answer(request: http.IncomingMessage, book: GuestBook): Promise<Answer> {
  const { method, url } = request;
  if (method === "GET" && url === "/healthz") return [200, text, "ok\n"];
  if (method === "GET" && url === "/") return [200, html, page(book.entries)];
  if (method !== "POST" || url !== "/") return [404, text, "not found\n"];
  const entry = new URLSearchParams(await bodyOf(request)).get("entry")?.trim();
  if (entry) book.add(entry);
  return [303, { location: "/" }, ""];
}

async function bodyOf(request: http.IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk as string;
    if (body.length > MAX_LENGTH) throw new Error(`at most ${MAX_LENGTH} characters`);
  }
  return body;
}

class GuestBook {
  readonly entries: string[] = [];
  readonly #file: string | undefined;

  constructor(directory: string | undefined) {
    this.#file = directory && path.join(directory, "guests.jsonl");
    if (this.#file) this.entries.push(...linesOf(this.#file).map((line) => JSON.parse(line) as string));
  }

  add(entry: string): void {
    this.entries.push(entry);
    if (this.#file) appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
}

const page = (entries: readonly string[]): string => `<!doctype html>
<title>Guests</title>
<h1>Who was here</h1>
<ul>${entries.map((entry) => `<li>${escaped(entry)}</li>`).join("")}</ul>
<form method="post"><input name="entry" maxlength="200" required> <button>Sign</button></form>
`;

const escaped = (entry: string): string =>
  entry.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
