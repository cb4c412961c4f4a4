/** The ports of a server, as the cluster file names them. */
export const PORT_NAMES = ["client", "log", "admin"] as const;
export type PortName = typeof PORT_NAMES[number];
