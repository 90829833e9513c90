/** Files, directories and links. */
export * from "./_fileContent";
export * from "./_fileKinds";
export * from "./_fileLinks";
export * from "./_fileSettings";
