// Landing: in the making.

import { h } from "../dom.js";
import { empty } from "../pieces.js";

export const name = "landing";
export const title = () => "Landing";
export const load = async () => ({});

export function view() {
  return h("div", { class: "screen" }, h("h1", { class: "unseen" }, "Landing"), empty("Nothing here yet."));
}
