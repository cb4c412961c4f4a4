/** Checks of what comes from outside, such as the cluster file: paths of what is wrong, in words. */
export * from "npm:valibot@1.5.0";
