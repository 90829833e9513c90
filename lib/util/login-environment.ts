import { userInfo } from "node:os";

/** What a login of this user would have, and nothing of whoever started us. */
export function loginEnvironment(): NodeJS.ProcessEnv {
  const { username, uid, homedir } = userInfo();
  const path =
    uid === 0
      ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      : "/usr/local/bin:/usr/bin:/bin";
  return { HOME: homedir, USER: username, LOGNAME: username, SHELL: "/bin/sh", PATH: path };
}
