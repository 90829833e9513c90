import type { Command } from "./command";

export const sandbox: Command = { name: "sandbox", takes: "diff|keep|discard", does: "", run() {} };
