// Health: in the making.

import { h } from "../dom.js";
import { empty } from "../pieces.js";

export const name = "health";
export const title = () => "Health";
export const load = async () => ({});

export function view() {
  return h("div", { class: "screen" }, h("h1", { class: "unseen" }, "Health"), empty("Nothing here yet."));
}
