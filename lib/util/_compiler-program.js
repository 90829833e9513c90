"use strict";
/** The program of the compiler's process: calls what it is told to, one call after another. Its descriptors are 3 and 4. */
const { writeSync } = require("node:fs");
const { Socket } = require("node:net");
const { becomeCompiler } = require("./compiler-process.js");

const [REQUESTS, ANSWERS] = [3, 4];

becomeCompiler();
process.on("SIGINT", () => {}); // Ctrl-C reaches all processes of a terminal
const requests = new Socket({ fd: REQUESTS, readable: true, writable: false });
requests.once("close", () => process.exit());

async function answer({ id, file, name, args }) {
  try {
    send({ id, result: await require(file)[name](...args) });
  } catch (error) {
    send({ id, error: asData(error) });
  }
}

function send(message) {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(ANSWERS, bytes, sent);
}

function asData(error) {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const plain = Object.entries(error).filter(([, value]) => !["object", "function"].includes(typeof value));
  return { name, message, stack, fields: Object.fromEntries(plain) };
}

let last = Promise.resolve();
let rest = "";
requests.setEncoding("utf8").on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) last = last.then(() => answer(JSON.parse(line)));
});
