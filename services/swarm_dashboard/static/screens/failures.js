// Failures: in the making.

import { h } from "../dom.js";
import { empty } from "../pieces.js";

export const name = "failures";
export const title = () => "Failures";
export const load = async () => ({});

export function view() {
  return h("div", { class: "screen" }, h("h1", { class: "unseen" }, "Failures"), empty("Nothing here yet."));
}
