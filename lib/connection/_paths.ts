/** Where commands are looked for in a new environment: root's, and another user's. */
export const ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
export const BARE_PATH = "/usr/local/bin:/usr/bin:/bin";
