import { existsSync } from "node:fs";
import { userInfo } from "node:os";

/** The default PATH of a login as root, and as another user. */
export const ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
export const USER_PATH = "/usr/local/bin:/usr/bin:/bin";

export const pathOf = (uid: number): string => (uid === 0 ? ROOT_PATH : USER_PATH);

/** In a clone, programs of root that download are here: see `via.clone`. */
export const CLONE_PROGRAMS = "/run/consfigurator/bin";

/** The environment of a login as the current user, without the variables of this process. */
export function loginEnvironment(): NodeJS.ProcessEnv {
  const { username, uid, homedir } = userInfo();
  const lock = process.env["CONSFIGURATOR_LOCK"];
  return {
    HOME: homedir,
    USER: username,
    LOGNAME: username,
    SHELL: "/bin/sh",
    PATH: uid === 0 && existsSync(CLONE_PROGRAMS) ? `${CLONE_PROGRAMS}:${ROOT_PATH}` : pathOf(uid),
    ...(lock !== undefined && { CONSFIGURATOR_LOCK: lock }),
  };
}

/** The login environment of root in a context with other accounts, as words for env(1). */
export const ROOT_ENVIRONMENT = `HOME=/root USER=root LOGNAME=root SHELL=/bin/sh PATH=${ROOT_PATH}`;
