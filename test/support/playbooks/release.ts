export const release = "1.0";
