import type { Command } from "./command";

export const reload: Command = {
  name: "reload",
  summary: "reload changed files now, and list them",
  run: (_, { shell }) => {
    const { loaded, removed, notices, replaced, error } = shell.workspace.refresh();
    if (error) throw error;
    const lines = [
      ...loaded.map((file) => `loaded   ${file}`),
      ...removed.map((file) => `removed  ${file}`),
      ...replaced.map((name) => `${name} comes from the consfig again`),
      ...notices,
    ];
    shell.print(lines.length > 0 ? lines.join("\n") : "nothing changed");
  },
};
