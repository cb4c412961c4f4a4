/** Properties that hold of all inputs, and the smallest input of which one does not. */
export { default } from "npm:fast-check@4.10.2";
