/** The command line: flags, commands, help. */
export * from "npm:@stricli/core@1.3.0";
