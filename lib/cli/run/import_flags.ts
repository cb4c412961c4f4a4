/** The flags of `raftkv import`, for the command and what it loads. */
import type { ClientFlags } from "../connect/flag_types.ts";

export const CHECKS = ["sample", "all", "none"] as const;

export type ImportFlags = ClientFlags & { readonly check: typeof CHECKS[number] };
