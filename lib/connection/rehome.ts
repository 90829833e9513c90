import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { path as anyPath, object } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Changes the home directory to `dir`, for the same user: commands start there, and relative paths, `~` and caches refer
 * to it. The directory must exist; a relative path is below the previous home directory.
 */
export const rehome = defhop({
  name: "rehome",
  args: object({ dir: anyPath() }),
  call: (dir: string) => ({ dir }),
  sees: () => ({ root: "/" }),
  open: ({ dir }, { parent }) => {
    const word = dir.startsWith("/") ? shellQuote(dir) : `"$HOME"/${shellQuote(dir)}`;
    return wrapped(parent, asCode("via.rehome", [dir]), {
      command: (command) =>
        `cd ${word} || exit\nHOME=$(pwd)\nexport HOME\nunset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME\n${command}`,
      shown: `cd ${word}`,
      remedy: () =>
        "it must be a directory that the user of the previous hop can enter; file.directoryExists creates one",
    });
  },
});
