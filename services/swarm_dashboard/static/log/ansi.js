// @ts-check
// Terminal output as safe nodes: colours become classes, other escape sequences are dropped.

import { h } from "../dom.js";

const SEQUENCE =
  /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
// An incomplete escape sequence.
const CUT = /^\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*|[PX^_][^\x1b]*|[ -/]*)$/;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export class Ansi {
  #style;
  #rest = "";

  /** `before`: the instance that rendered the preceding text; its colours continue. */
  constructor(/** @type {Ansi | null} */ before = null) {
    this.#style = new Set(before ? before.#style : []);
  }

  /** Nodes for a piece of output; an incomplete sequence at the end is kept for the next piece. */
  nodes(text) {
    let all = this.#rest + text;
    const cut = all.lastIndexOf("\x1b");
    this.#rest = "";
    if (cut >= 0 && all.length - cut < 64 && CUT.test(all.slice(cut))) {
      this.#rest = all.slice(cut);
      all = all.slice(0, cut);
    }
    const made = [];
    let place = 0;
    for (const found of all.matchAll(SEQUENCE)) {
      this.#add(made, all.slice(place, found.index));
      place = found.index + found[0].length;
      if (found[2] === "m") this.#apply(found[1]);
    }
    this.#add(made, all.slice(place));
    return made;
  }

  #add(made, text) {
    // A carriage return redraws a line: only the last drawing counts.
    const clean = text
      .replace(/\r\n/g, "\n")
      .replace(/[^\n]*\r(?=[^\n])/g, "")
      .replace(/\r/g, "");
    if (!clean) return;
    made.push(
      this.#style.size ? h("span", { class: [...this.#style].join(" ") }, clean) : document.createTextNode(clean),
    );
  }

  #apply(parameters) {
    const codes = parameters === "" ? [0] : parameters.split(";").map(Number);
    for (let place = 0; place < codes.length; place += 1) {
      const code = codes[place];
      if (code === 38 || code === 48) place += codes[place + 1] === 5 ? 2 : 4;
      else if (code === 0) this.#style.clear();
      else if (code === 1) this.#style.add("bold");
      else if (code === 2) this.#style.add("dim");
      else if (code === 3) this.#style.add("italic");
      else if (code === 4) this.#style.add("underlined");
      else if (code === 22) {
        this.#style.delete("bold");
        this.#style.delete("dim");
      } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) this.#colour(NAMES[code % 10]);
      else if (code === 39) this.#colour(null);
    }
  }

  #colour(name) {
    for (const known of NAMES) this.#style.delete(`ansi-${known}`);
    if (name) this.#style.add(`ansi-${name}`);
  }
}
