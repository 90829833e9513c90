import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { path as anyPath, object } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * The same user, with the directory `dir` for a home: relative paths, `~` and caches of what follows stand there, and
 * commands begin there. The directory must exist; a relative one stands below the home directory before.
 */
export const rehome = defhop({
  name: "rehome",
  args: object({ dir: anyPath() }),
  call: (dir: string) => ({ dir }),
  open: ({ dir }, { parent }) => {
    const word = dir.startsWith("/") ? shellQuote(dir) : `"$HOME"/${shellQuote(dir)}`;
    return wrapped(parent, asCode("via.rehome", [dir]), {
      command: (command) =>
        `cd ${word} || exit\nHOME=$(pwd)\nexport HOME\nunset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME\n${command}`,
      shown: `cd ${word}`,
      remedy: () =>
        "it must be a directory that the user of the hop before may enter; file.directoryExists makes one",
    });
  },
});
