/** The compiler of TypeScript: it makes the client's package, and tests compile what uses that. */
export { default } from "npm:typescript@5.9.3";
