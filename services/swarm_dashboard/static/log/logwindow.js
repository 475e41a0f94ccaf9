// @ts-check
// A virtual list of log lines: only the visible blocks and their neighbours are on the page.

import { h } from "../dom.js";
import { bytes, count } from "../format.js";
import { Ansi } from "./ansi.js";
import { BLOCK } from "./loglines.js";

const NEAR_END_PX = 40;
const LINE_PX = 18; // until a line has been measured
const TALLEST_PX = 12_000_000; // taller elements are not laid out reliably

export class LogWindow {
  node = h("div", { class: "lines", tabindex: "0", role: "region", "aria-label": "Output" });
  follow = true; // stays at the end while the log grows
  /** @type {number | null} */
  current = null; // the line that the address names, counted from 0
  #lines;
  #on;
  #above = h("div");
  #below = h("div");
  #shown = new Map(); // number → node
  #ends = new Map(); // number → the colours that its last line leaves on
  #heights = [];
  #linePx = LINE_PX;
  #lastTop = 0;
  /** @type {number | null} */
  #frame = null;
  #stopped = false;

  /**
   * `lines`: the LogLines to show. `on`: `follows(isOn)` when following begins or ends, `marked()` when other rows are
   * on the page, `at(line)` when a line, counted from 1, was chosen.
   */
  constructor(lines, on) {
    this.#lines = lines;
    this.#on = on;
    this.node.append(this.#above, this.#below);
    this.node.onscroll = () => this.#scrolled();
    this.node.onclick = (event) => this.#clicked(event);
  }

  stop() {
    this.#stopped = true;
  }

  shows(number) {
    return this.#shown.has(number);
  }

  async toEnd() {
    this.setFollow(true);
    this.#scrollTo(this.node.scrollHeight);
    await this.draw();
  }

  // ───── visible blocks ─────

  #height(number) {
    const { total } = this.#lines;
    const lines = Math.min(BLOCK, total - number * BLOCK);
    return this.#heights[number] ?? lines * Math.min(this.#linePx, TALLEST_PX / total);
  }

  /** Numbers of the first and the last block in sight, and how tall everything before the first one is. */
  #inSight() {
    const top = this.node.scrollTop;
    const blocks = this.#lines.count;
    let first = 0;
    let above = 0;
    while (first < blocks - 1 && above + this.#height(first) <= top) above += this.#height(first++);
    let last = first;
    let shown = above + this.#height(first);
    while (last < blocks - 1 && shown < top + this.node.clientHeight) shown += this.#height(++last);
    return { first, last };
  }

  /** Put the visible blocks on the page, and one more on each side. */
  async draw() {
    if (this.#stopped || !this.#lines.total) return;
    this.#place();
    if (this.follow) this.#scrollTo(this.node.scrollHeight);
    const { first, last } = this.#inSight();
    const wanted = [];
    for (let number = Math.max(0, first - 1); number <= Math.min(this.#lines.count - 1, last + 1); number += 1)
      wanted.push(number);
    const missing = wanted.filter((number) => !this.#shown.has(number));
    this.#place(wanted);
    const toLoad = wanted.filter((number) => !this.#lines.has(number));
    if (toLoad.length) {
      await Promise.all(toLoad.map((number) => this.#lines.load(number)));
      if (this.#stopped) return;
      this.#place(wanted);
    }
    if (this.follow) this.#scrollTo(this.node.scrollHeight);
    if (missing.length) this.mark();
  }

  /** Lay out the wanted blocks that are loaded; the line at the top of the sight stays where it is. */
  #place(/** @type {number[] | null} */ wanted = null) {
    const anchor = this.#anchor();
    if (wanted) {
      for (const number of [...this.#shown.keys()]) if (!wanted.includes(number)) this.#remove(number);
      for (const number of wanted) if (this.#lines.has(number) && !this.#shown.has(number)) this.#insert(number);
    }
    const shown = [...this.node.querySelectorAll(".block")];
    for (const node of shown) this.#measure(node);
    const numbers = shown.map((node) => Number(node.dataset.block));
    const from = numbers[0] ?? 0;
    let above = 0;
    for (let number = 0; number < from; number += 1) above += this.#height(number);
    let below = 0;
    for (let number = (numbers.at(-1) ?? -1) + 1; number < this.#lines.count; number += 1)
      below += this.#height(number);
    // What is between two blocks in sight and not yet loaded is left to the next drawing.
    this.#above.style.setProperty("height", `${above}px`);
    this.#below.style.setProperty("height", `${below}px`);
    if (anchor?.node.isConnected) this.#scrollTo(anchor.node.offsetTop - anchor.offset);
  }

  #anchor() {
    const top = this.node.scrollTop;
    for (const node of this.node.querySelectorAll(".block")) {
      if (node.offsetTop + node.offsetHeight > top)
        return node.offsetTop < top + this.node.clientHeight ? { node, offset: node.offsetTop - top } : null;
    }
    return null;
  }

  #insert(number) {
    const later = [...this.node.querySelectorAll(".block")].find((node) => Number(node.dataset.block) > number);
    const node = h("div", { class: "block", "data-block": number });
    this.#shown.set(number, node);
    this.#fill(number, 0);
    this.node.insertBefore(node, later ?? this.#below);
  }

  #remove(number) {
    this.#shown.get(number)?.remove();
    this.#shown.delete(number);
  }

  /** The lines of a block have changed; without a number, those of all blocks. */
  takeOff(number) {
    for (const one of number === undefined ? [...this.#shown.keys()] : [number]) this.#remove(one);
    if (number !== undefined) {
      this.#ends.delete(number);
      return;
    }
    this.#ends.clear();
    this.#heights = [];
  }

  #measure(node) {
    const number = Number(node.dataset.block);
    const px = node.offsetHeight;
    if (!px) return;
    this.#heights[number] = px;
    const lines = this.#lines.block(number)?.length;
    if (lines === BLOCK) this.#linePx = px / lines;
  }

  /** The lines of a block have changed from one line on. */
  change(number, same) {
    const node = this.#shown.get(number);
    if (!node) return;
    while (node.children.length > same) node.lastChild.remove();
    this.#fill(number, same);
  }

  #fill(number, from) {
    // Colours that a line leaves on continue in the next one.
    const ansi = from ? this.#ends.get(number) : new Ansi(this.#ends.get(number - 1));
    const rows = this.#lines
      .block(number)
      .slice(from)
      .map((line, place) => row(line, number * BLOCK + from + place, ansi, this.#lines.lost));
    this.#ends.set(number, ansi);
    this.#shown.get(number).append(...rows);
  }

  // ───── moving ─────

  #scrollTo(top) {
    this.node.scrollTop = top;
    this.#lastTop = this.node.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.node;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.setFollow(true);
    else if (scrollTop < this.#lastTop) this.setFollow(false);
    this.#lastTop = scrollTop;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.draw();
    });
  }

  setFollow(on) {
    this.follow = on;
    this.#on.follows(on);
  }

  async goTo(line) {
    const number = Math.floor(line / BLOCK);
    this.setFollow(false);
    this.current = line;
    await Promise.all(
      [number - 1, number, number + 1]
        .filter((one) => one >= 0 && one < this.#lines.count)
        .map((one) => this.#lines.load(one)),
    );
    let above = 0;
    for (let one = 0; one < number; one += 1) above += this.#height(one);
    this.#scrollTo(above);
    await this.draw();
    const node = this.#shown.get(number)?.children[line % BLOCK];
    if (node) this.#scrollTo(node.offsetTop - this.node.clientHeight / 3);
    this.mark();
    this.#on.at(line + 1);
  }

  topLine() {
    const { first } = this.#inSight();
    return this.follow ? this.#lines.total : first * BLOCK;
  }

  /** A click on a line's number puts the line into the address. */
  #clicked(event) {
    const line = event.target.closest(".row");
    if (!line || event.clientX > line.getBoundingClientRect().left + parseFloat(getComputedStyle(line).paddingLeft))
      return;
    const number = Number(line.dataset.n);
    this.current = number - 1;
    this.#on.at(number);
    this.mark();
  }

  /** Highlight search results and the current line. */
  mark() {
    for (const node of this.node.querySelectorAll(".row.current")) node.classList.remove("current");
    if (this.current !== null) this.node.querySelector(`.row[data-n="${this.current + 1}"]`)?.classList.add("current");
    this.#on.marked();
  }

  say(text) {
    this.node.querySelector(".said")?.remove();
    this.node.prepend(h("p", { class: "said" }, text));
  }
}

function row(line, number, ansi, lost) {
  return h(
    "div",
    { class: line.err ? "row stderr" : "row", "data-n": number + 1 },
    line.gap && h("span", { class: "note" }, `— ${bytes(lost)} truncated (output limit) —\n`),
    ansi.nodes(line.text),
    line.cut && h("span", { class: "note" }, ` … ${count(line.cut)} more bytes in this line; the download has them`),
    "\n",
  );
}
