// @ts-check
// Outcomes of attempts in pictures: each has a colour, a pattern and a word, and any one of them is enough.

import { h, svg } from "../dom.js";
import { count } from "../format.js";

/** `tone`: whose colour it has. `strokes`: what is drawn over it within 8 by 8. */
const KINDS = {
  passed: { word: "passed", tone: "completed", strokes: "" },
  retried: { word: "retried", tone: "held", strokes: "M-2 2l4-4M0 8l8-8M6 10l4-4" },
  failed: { word: "failed", tone: "failed", strokes: "M-2 2l4-4M0 8l8-8M6 10l4-4" },
  crashed: { word: "crashed or unreadable", tone: "failed", strokes: "M0 0l8 8M0 8l8-8" },
  held: { word: "held", tone: "held", strokes: "M0 0l8 8M0 8l8-8" },
  interrupted: { word: "interrupted", tone: "not_started", strokes: "M0 2h3M4 6h3" },
  stopped: { word: "stopped on request", tone: "cancelled", strokes: "M2 0v8M6 0v8" },
  running: { word: "running", tone: "in_progress", strokes: "M0 2h8M0 6h8" },
};
export const wordOf = (kind) => KINDS[kind]?.word ?? kind;
export const fillOf = (kind) => `url(#pattern-${kind})`;

/** The patterns themselves, once in the document. */
export function patterns() {
  if (document.getElementById("patterns")) return;
  document.body.append(
    svg(
      "svg",
      { id: "patterns", width: 0, height: 0, "aria-hidden": "true" },
      svg(
        "defs",
        {},
        ...Object.entries(KINDS).map(([kind, { tone, strokes }]) =>
          svg(
            "pattern",
            { id: `pattern-${kind}`, width: 8, height: 8, patternUnits: "userSpaceOnUse", "data-group": tone },
            svg("rect", { width: 8, height: 8, class: "pattern-ground" }),
            svg("path", { d: strokes, class: "pattern-strokes" }),
          ),
        ),
      ),
    ),
  );
}

const swatch = (kind) =>
  svg(
    "svg",
    { class: "swatch", viewBox: "0 0 20 12", "aria-hidden": "true" },
    svg("rect", { width: 20, height: 12, rx: 2, fill: fillOf(kind) }),
  );

export const legend = (kinds) =>
  h(
    "ul",
    { class: "legend" },
    kinds.map((kind) => h("li", { key: kind }, swatch(kind), wordOf(kind))),
  );

/** As words: "11 passed, 1 failed". */
export const kindsText = (kinds) =>
  Object.entries(kinds)
    .map(([kind, n]) => `${count(n)} ${wordOf(kind)}`)
    .join(", ");
