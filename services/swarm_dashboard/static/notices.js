// @ts-check
// What became of a request: a short notice in the corner, spoken politely; good news goes by itself.

import { h } from "./dom.js";

const STAYS_MS = 7_000;
const box = document.getElementById("notices");

export class Notice {
  #text = h("span");
  #node;

  constructor(title) {
    this.#node = h(
      "div",
      { class: "notice", "data-kind": "pending" },
      h("div", null, h("strong", null, title), " ", this.#text),
      h("button", { type: "button", class: "plain", "aria-label": "Dismiss", onclick: () => this.#node.remove() }, "×"),
    );
    box.append(this.#node);
    while (box.children.length > 5) box.firstChild.remove();
  }

  /** `kind`: pending, done, refused or expired. */
  say(kind, text) {
    this.#node.dataset.kind = kind;
    this.#text.textContent = text;
    if (kind === "done") setTimeout(() => this.#node.remove(), STAYS_MS);
  }
}
