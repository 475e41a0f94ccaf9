// @ts-check
// The base of all pictures: their element, their width, and no movement under the pointer.

import { h, morph } from "../dom.js";

/**
 * A picture keeps one element while the page is open; screens place it each time they are drawn.
 *
 * `view()` builds the content, and only differences reach the page. Nothing moves while the pointer or the focus is on
 * the picture.
 */
export class Picture {
  width = 0;
  /** @type {any} what the screen was last drawn from; never null once it is on a page */
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
    this.node.addEventListener("focusin", () => this.draw({ force: true }));
    this.node.addEventListener("focusout", () => setTimeout(() => this.#left()));
    new ResizeObserver(([{ contentRect }]) => {
      const width = Math.floor(contentRect.width);
      if (width === this.width) return;
      this.width = width;
      this.draw({ force: true });
    }).observe(this.node);
  }

  /** Called whenever the screen is drawn, with `status` and `place`; returns the node for the screen. */
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

  /** The role of the text below the picture: spoken while the user moves through it, not whenever the swarm moves. */
  get role() {
    return this.node.contains(document.activeElement) ? "status" : null;
  }

  /** Draw the current data, unless the pointer or focus is on it; `force` if the user requested it. */
  draw({ force = false } = {}) {
    if (!this.context || this.width === 0 || !this.node.isConnected || (this.isVisited && !force && this.#drawnAt))
      return;
    this.#drawnAt = Date.now();
    morph(this.node, h("section", { class: this.node.className }, this.view()), { count: 0, force: true });
  }

  /** The pointer may leave, for example when the page scrolls, while the focus keeps its mark. */
  #left() {
    if (!this.isVisited) this.leave();
    this.draw();
  }

  /** Subscribe to data before each drawing. */
  follow() {}

  /** The content, as nodes. @returns {any[]} */
  view() {
    return [];
  }

  leave() {}
}
