// @ts-check
// The form that sets the number of workers, for the screens that show it.

import { h } from "../dom.js";
import * as verbs from "./verbs.js";

const MOST_WORKERS = 256;

/** @param {Api.Status} status */
export function scaleForm({ workers }) {
  const staying = workers.filter((worker) => worker.alive && worker.status !== "retiring").length;
  return h(
    "form",
    {
      class: "scale",
      onsubmit: (event) => {
        event.preventDefault();
        verbs.scale(Number(event.target.elements.workers.value), workers);
      },
    },
    h("label", { for: "scale" }, "Scale to"),
    h("input", {
      id: "scale",
      name: "workers",
      type: "number",
      min: 0,
      max: MOST_WORKERS,
      required: true,
      value: staying,
      "data-own": "",
    }),
    h("button", { type: "submit", class: "primary" }, "Set"),
    h("span", { class: "quiet" }, "Extra workers stop after their current task."),
  );
}
