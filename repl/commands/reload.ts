import type { Command } from "./command";

export const reload: Command = {
  name: "reload",
  does: "loads what changed in the consfig, which is also done before each input, and says what that was",
  run: (_, { shell }) => {
    const { loaded, removed, notices, replaced, error } = shell.workspace.refresh();
    if (error) throw error;
    const lines = [
      ...loaded.map((file) => `loaded   ${file}`),
      ...removed.map((file) => `removed  ${file}`),
      ...replaced.map((name) => `${name} is now the one of the consfig again`),
      ...notices,
    ];
    shell.say(lines.length > 0 ? lines.join("\n") : "nothing changed");
  },
};
