// @ts-check
// What all pictures share: a place of their own on a screen, the width they have there, and rest under the pointer.

import { h, morph } from "../dom.js";

/**
 * A picture is one element for as long as the page is open; screens give it a place at every draw.
 *
 * `view()` builds its content anew and the difference is put into the page. While the pointer or the keyboard is on the
 * picture nothing of it moves; `visit()` says where they are, and `rest()` that they have gone.
 */
export class Picture {
  width = 0;
  context = null;
  #name;
  #drawnAt = 0;
  #pointed = false;

  constructor(name) {
    this.#name = name;
    this.node = h("section", { class: `card picture ${name}` });
    this.node.addEventListener("pointerenter", () => {
      this.#pointed = true;
    });
    this.node.addEventListener("pointerleave", () => {
      this.#pointed = false;
      this.#left();
    });
    this.node.addEventListener("focusout", () => setTimeout(() => this.#left()));
    new ResizeObserver(([{ contentRect }]) => {
      const width = Math.floor(contentRect.width);
      if (width === this.width) return;
      this.width = width;
      this.draw({ force: true });
    }).observe(this.node);
  }

  /** To be called whenever the screen is drawn, with `status` and `place`; gives what the screen puts there. */
  at(context) {
    const moved = context.place.query.toString() !== this.context?.place.query.toString();
    this.context = context;
    this.follow();
    if (this.node.isConnected) this.draw({ force: moved });
    return h(
      "div",
      { class: "picture-place", key: this.#name, "data-own": "" },
      this.node.isConnected ? null : this.node,
    );
  }

  get isVisited() {
    return this.#pointed || this.node.querySelector(":focus-visible") !== null;
  }

  /** Draw what is known now, unless somebody looks closely; `force` when the person asked for it. */
  draw({ force = false } = {}) {
    if (!this.context || this.width === 0 || !this.node.isConnected || (this.isVisited && !force && this.#drawnAt))
      return;
    this.#drawnAt = Date.now();
    morph(this.node, h("section", { class: this.node.className }, this.view()), { count: 0, force: true });
  }

  /** The pointer may go, when the page scrolls say, while the keyboard stays on what it has marked. */
  #left() {
    if (!this.isVisited) this.leave();
    this.draw();
  }

  /** Say what is followed, before each drawing. */
  follow() {}

  /** The content, as nodes. @returns {any[]} */
  view() {
    return [];
  }

  leave() {}
}
