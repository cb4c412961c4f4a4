/** Charts of the live page: types here, the script and style sheet as text in uplot_text.ts. */
export type { default } from "npm:uplot@1.6.32";
