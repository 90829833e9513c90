/** Files, directories and links. */
export * from "./_fileAcl";
export * from "./_fileBlock";
export * from "./_fileContent";
export * from "./_fileData";
export { downloaded } from "./_fileDownloaded";
export * from "./_fileExtracted";
export * from "./_fileKinds";
export * from "./_fileLinks";
export * from "./_fileSettings";
export * from "./_fileTemplate";
export * from "./_fileTree";
