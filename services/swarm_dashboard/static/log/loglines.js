// @ts-check
// The loaded lines of a session's output: fetched in blocks, extended as the log grows, and evicted.

import { get } from "../api.js";

export const BLOCK = 200; // lines that are loaded and evicted together
const BLOCKS_KEPT = 60;

export class LogLines {
  total = 0;
  ended = false; // nothing more will be written
  complete = false; // the server has indexed all of it
  lost = 0; // bytes dropped beyond the output limit
  #path;
  #session;
  #page;
  #blocks = new Map(); // number → lines, in the order of loading
  #loading = new Map();

  /** `page`: whether it `shows` a block; called when one has `changed` from a line on and when one or all are `gone`. */
  constructor(path, session, page) {
    this.#path = path;
    this.#session = session;
    this.#page = page;
  }

  get count() {
    return Math.ceil(this.total / BLOCK);
  }

  has(number) {
    return this.#blocks.has(number);
  }

  /** The lines of a block that was loaded. */
  block(number) {
    return this.#blocks.get(number);
  }

  /** Fetch the current length and the last lines, and `take` the answer. */
  ask({ fromEnd }) {
    const last = Math.max(0, Math.floor((this.total - 1) / BLOCK));
    return this.#get("/lines", { first: fromEnd && !this.total ? -BLOCK : last * BLOCK, count: 2 * BLOCK });
  }

  take(answer) {
    if (answer.total < this.total) this.#forget(); // output was dropped: the lines were renumbered
    ({ total: this.total, ended: this.ended, complete: this.complete, lost: this.lost } = answer);
    if (answer.first % BLOCK === 0) this.#keep(answer);
  }

  /** Lines that were pushed: from line `first` on, the last of which may have been cut before. */
  append({ first, lines, ...state }) {
    if (state.total < this.total) this.#forget();
    ({ total: this.total, ended: this.ended, complete: this.complete, lost: this.lost } = state);
    for (let from = 0; from < lines.length; ) {
      const number = Math.floor((first + from) / BLOCK);
      const place = (first + from) % BLOCK;
      const part = lines.slice(from, from + BLOCK - place);
      const known = this.#blocks.get(number) ?? [];
      // If lines in between are missing, the block is loaded when it scrolls into view.
      if (place <= known.length) this.#keep({ first: number * BLOCK, lines: [...known.slice(0, place), ...part] });
      else this.#blocks.delete(number);
      from += part.length;
    }
  }

  async load(number) {
    const known = this.#blocks.get(number);
    if (known && (known.length === BLOCK || (number + 1) * BLOCK > this.total)) return;
    if (!this.#loading.has(number)) {
      this.#loading.set(
        number,
        this.#get("/lines", { first: number * BLOCK, count: BLOCK })
          .then(
            (answer) => this.#keep(answer),
            () => {},
          )
          .finally(() => this.#loading.delete(number)),
      );
    }
    await this.#loading.get(number);
  }

  /** The whole output as text, loaded or not; `report` is called with the number of bytes received. */
  async everything(report) {
    const texts = [];
    for (let from = 0; ; ) {
      const answer = await this.#get("", { from });
      texts.push(...answer.pieces.map((piece) => piece.text));
      if (!answer.pieces.length) return texts;
      from = answer.next;
      report(from);
    }
  }

  #get(what, asked) {
    return get(`${this.#path}${what}`, { session: this.#session, ...asked });
  }

  #forget() {
    this.#blocks.clear();
    this.#page.gone();
  }

  #keep({ first, lines }) {
    for (let start = 0; start < lines.length; start += BLOCK) {
      const number = (first + start) / BLOCK;
      const part = lines.slice(start, start + BLOCK);
      const known = this.#blocks.get(number);
      this.#blocks.delete(number);
      this.#blocks.set(number, part);
      if (!known) continue;
      if (known.length > part.length) this.#page.gone(number);
      else {
        const same = sameUpTo(known, part);
        if (same < part.length) this.#page.changed(number, same);
      }
    }
    for (const number of this.#blocks.keys()) {
      if (this.#blocks.size <= BLOCKS_KEPT) break;
      if (!this.#page.shows(number)) this.#blocks.delete(number);
    }
  }
}

function sameUpTo(known, lines) {
  let same = 0;
  while (same < known.length && known[same].text === lines[same].text && known[same].cut === lines[same].cut) same += 1;
  return same;
}
