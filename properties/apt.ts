/** Packages on Debian and its derivatives, through apt-get and dpkg. */
export * from "./_aptConfig";
export * from "./_aptLists";
export * from "./_aptPackages";
export * from "./_aptPins";
export * from "./_aptRepositories";
export * from "./_aptUnattended";
