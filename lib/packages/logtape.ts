/** Log lines: levels, sinks. */
export * from "npm:@logtape/logtape@2.4.2";
