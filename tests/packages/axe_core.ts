/** Checks a page for what keeps people out of it: its script runs in the page. */
export { default } from "npm:axe-core@4.14.1";
