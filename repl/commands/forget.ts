import { forgetSecrets } from "../../lib/controller/forget";
import type { Command } from "./command";

export const forget: Command = {
  name: "forget",
  summary: "forget typed passwords and fetched data, and close the connections that use them",
  run: async (_, { shell }) => {
    const { passwords, data } = await forgetSecrets();
    shell.print(
      `forgot ${counted(passwords, "password", "passwords")} and ${counted(data, "datum", "data")}`,
    );
  },
};

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
