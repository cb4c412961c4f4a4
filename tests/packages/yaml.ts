/** A parser of YAML 1.1 and 1.2, for the files in deploy/. */
export { type Document, parse, parseAllDocuments } from "npm:yaml@2.9.1";
