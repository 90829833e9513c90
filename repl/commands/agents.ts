import type { Command } from "./command";

export const agents: Command = { name: "agents", takes: "[stop|remove NAME]", does: "", run() {} };
