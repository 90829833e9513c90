"use strict";
/** Plain JavaScript, because the TypeScript loader needs it. */
const fs = require("node:fs");
const path = require("node:path");

/** The owner that a user namespace shows for users that it does not map. */
const UNMAPPED = 65534;

/**
 * Makes `directory`, unless it exists, with mode 0700. Returns why another user could put files into it;
 * undefined when nobody but us and root can, or when it cannot be made at all.
 */
function refusalOf(directory) {
  const uid = process.geteuid?.();
  if (uid === undefined) return undefined;
  let real;
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    real = fs.realpathSync(directory);
  } catch {
    return undefined;
  }
  const link = fs.lstatSync(directory);
  if (link.isSymbolicLink() && ![0, uid].includes(link.uid)) return foreign(directory, link.uid, uid);
  for (let place = real; ; place = path.dirname(place)) {
    const stat = fs.statSync(place);
    const own = stat.uid === uid || (place !== real && [0, UNMAPPED].includes(stat.uid));
    if (!own) return foreign(place, stat.uid, uid);
    const sticky = place !== real && (stat.mode & 0o1000) !== 0;
    const writable = stat.mode & (place === real ? 0o022 : 0o002);
    if (writable !== 0 && !sticky)
      return `${place} has mode 0${(stat.mode & 0o7777).toString(8)}: other users can write to it`;
    if (place === path.dirname(place)) return undefined;
  }
}

/** The message for a directory of another user. */
const foreign = (place, owner, uid) => `${place} belongs to uid ${owner}, and we run as uid ${uid}`;

module.exports = { refusalOf };
