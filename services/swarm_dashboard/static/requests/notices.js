// @ts-check
// What became of a request: a short notice in the corner, spoken politely; good news goes by itself.

import { byId, h } from "../dom.js";

const STAYS_MS = 7_000;
const UNDO_MS = 15_000;
const box = byId("notices");

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
    while (box.children.length > 5) box.firstElementChild?.remove();
  }

  /** `kind`: pending, done, refused or expired. `next`: what can be done about it. */
  say(kind, text, /** @type {{ words: string, act: () => void } | null} */ next = null) {
    this.#node.dataset.kind = kind;
    this.#text.textContent = text;
    if (next) {
      const act = () => {
        this.#node.remove();
        next.act();
      };
      this.#node.insertBefore(
        h("button", { type: "button", class: "small", onclick: act }, next.words),
        this.#node.lastChild,
      );
    }
    if (kind === "done") setTimeout(() => this.#node.remove(), next ? UNDO_MS : STAYS_MS);
  }
}
