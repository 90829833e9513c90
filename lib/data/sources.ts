/** The sources of prerequisite data: `registerDataSource(source.filesTree("data"))`. */
export { age } from "./age";
export { askpass } from "./askpass";
export { commandOutput } from "./commandOutput";
export { environment } from "./environment";
export { filesTree } from "./filesTree";
export { gitSnapshot } from "./gitSnapshot";
export { gpgFile, listData, removeData, setData } from "./gpgFile";
export { gpgPublicKeys } from "./gpgPublicKeys";
export { localFile } from "./localFile";
export { pass } from "./pass";
