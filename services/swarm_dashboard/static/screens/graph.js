// Graph: in the making.

import { h } from "../dom.js";
import { empty } from "../pieces.js";

export const name = "graph";
export const title = () => "Graph";
export const load = async () => ({});

export function view() {
  return h("div", { class: "screen" }, h("h1", { class: "unseen" }, "Graph"), empty("Nothing here yet."));
}
