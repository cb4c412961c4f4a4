/** uPlot's script, style sheet and license as text: they become part of the live page (scripts/build_page.ts). */
export { default as uplotScript } from "npm:uplot@1.6.32/dist/uPlot.iife.min.js" with {
  type: "text",
};
export { default as uplotStyle } from "npm:uplot@1.6.32/dist/uPlot.min.css" with { type: "text" };
export { default as uplotLicense } from "npm:uplot@1.6.32/LICENSE" with { type: "text" };
