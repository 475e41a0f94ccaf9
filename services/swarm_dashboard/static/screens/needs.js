// Needs you: in the making.

import { h } from "../dom.js";
import { empty } from "../pieces.js";

export const name = "needs";
export const title = () => "Needs you";
export const load = async () => ({});

export function view() {
  return h("div", { class: "screen" }, h("h1", { class: "unseen" }, "Needs you"), empty("Nothing here yet."));
}
