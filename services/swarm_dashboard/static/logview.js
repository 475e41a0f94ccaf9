// @ts-check
// A session's output of any size: only what is in sight is on the page, and it grows while one looks.

import { Ansi } from "./ansi.js";
import { h } from "./dom.js";
import { bytes, count } from "./format.js";
import { BLOCK, LogLines } from "./loglines.js";
import { LogSearch } from "./logsearch.js";

const LOOK_MS = 1_000;
const NEAR_END_PX = 40;
const LINE_PX = 18; // until a line has been measured
const TALLEST_PX = 12_000_000; // browsers lay out no taller element reliably

export class LogView {
  node;
  #lines;
  #search;
  #pane = h("div", { class: "lines", tabindex: "0", role: "region", "aria-label": "Output" });
  #above = h("div");
  #below = h("div");
  #followButton;
  #shown = new Map(); // number → node
  #ends = new Map(); // number → the colours that its last line leaves on
  #heights = [];
  #linePx = LINE_PX;
  #follow = true;
  #lastTop = 0;
  #current = null;
  #frame = null;
  #timer = null;
  #stopped = false;
  #noted;

  /**
   * `place`: where to begin, as { line, find }: a line, counted from 1, and a text to look for.
   * `noted`: told of another place, so that the address can keep it.
   */
  constructor(taskId, attempt, session, place, noted) {
    const path = `/api/tasks/${encodeURIComponent(taskId)}/attempts/${attempt}/log`;
    this.#lines = new LogLines(path, session, {
      shows: (number) => this.#shown.has(number),
      changed: (number, same) => this.#change(number, same),
      gone: (number) => this.#takeOff(number),
    });
    this.#noted = noted;
    this.#search = new LogSearch(`${path}/search`, session, {
      go: (line) => this.#goTo(line),
      here: () => this.#current ?? this.#topLine() - 1,
      marked: () => this.#mark(),
      noted,
    });
    this.#followButton = h(
      "button",
      {
        type: "button",
        class: "small",
        "aria-pressed": "true",
        onclick: () => this.toEnd(),
        title: "Stay at the end while it grows",
      },
      "Follow",
    );
    const save = h(
      "button",
      {
        type: "button",
        class: "small",
        onclick: () => this.#download(save, `${taskId}-attempt-${attempt}-${session}.log`.replaceAll("/", "_")),
      },
      "Download",
    );
    this.node = h(
      "div",
      { class: "logview" },
      h("div", { class: "toolbar" }, this.#search.node, h("span", { class: "gap" }), this.#followButton, save),
      this.#pane,
    );
    this.#pane.append(this.#above, this.#below);
    this.#pane.onscroll = () => this.#scrolled();
    this.#pane.onclick = (event) => this.#clicked(event);
    this.#pane.onkeydown = (event) => this.#search.key(event);
    this.#begin(place);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#search.stop();
  }

  /** Something was committed: look at once. */
  nudge() {
    if (this.#timer === null || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#look();
  }

  async toEnd() {
    this.#setFollow(true);
    this.#scrollTo(this.#pane.scrollHeight);
    await this.#draw();
  }

  async #begin({ line, find }) {
    if (line) this.#setFollow(false);
    await this.#look();
    if (line) await this.#goTo(Math.min(line, this.#lines.total) - 1);
    if (find) this.#search.begin(find, { jump: !line });
  }

  /** Show how much there is by now, and what has come since. */
  async #look() {
    this.#timer = null;
    const before = this.#lines.total;
    let answer;
    try {
      answer = await this.#lines.ask({ fromEnd: this.#follow });
    } catch (error) {
      this.#say(error.message);
      if (!this.#stopped) this.#timer = setTimeout(() => this.#look(), 5 * LOOK_MS);
      return;
    }
    if (this.#stopped) return;
    this.#lines.take(answer);
    await this.#draw();
    const { total, ended, complete } = this.#lines;
    const isQuiet = ended && complete && before === total;
    if (isQuiet) {
      if (!total) this.#say("Nothing was written.");
      return;
    }
    this.#timer = setTimeout(() => this.#look(), complete ? LOOK_MS : 0);
  }

  // ───── what is in sight ─────

  #height(number) {
    const { total } = this.#lines;
    const lines = Math.min(BLOCK, total - number * BLOCK);
    return this.#heights[number] ?? lines * Math.min(this.#linePx, TALLEST_PX / total);
  }

  /** Numbers of the first and the last block in sight, and how tall everything before the first one is. */
  #inSight() {
    const top = this.#pane.scrollTop;
    const blocks = this.#lines.count;
    let first = 0;
    let above = 0;
    while (first < blocks - 1 && above + this.#height(first) <= top) above += this.#height(first++);
    let last = first;
    let shown = above + this.#height(first);
    while (last < blocks - 1 && shown < top + this.#pane.clientHeight) shown += this.#height(++last);
    return { first, last };
  }

  /** Put on the page what is in sight, a block more on both sides, and nothing else. */
  async #draw() {
    if (this.#stopped || !this.#lines.total) return;
    this.#place();
    if (this.#follow) this.#scrollTo(this.#pane.scrollHeight);
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
    if (this.#follow) this.#scrollTo(this.#pane.scrollHeight);
    if (missing.length) this.#mark();
  }

  /** Lay out the wanted blocks that are loaded; the line at the top of the sight stays where it is. */
  #place(wanted = null) {
    const anchor = this.#anchor();
    if (wanted) {
      for (const number of [...this.#shown.keys()]) if (!wanted.includes(number)) this.#remove(number);
      for (const number of wanted) if (this.#lines.has(number) && !this.#shown.has(number)) this.#insert(number);
    }
    const shown = [...this.#pane.querySelectorAll(".block")];
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
    const top = this.#pane.scrollTop;
    for (const node of this.#pane.querySelectorAll(".block")) {
      if (node.offsetTop + node.offsetHeight > top)
        return node.offsetTop < top + this.#pane.clientHeight ? { node, offset: node.offsetTop - top } : null;
    }
    return null;
  }

  #insert(number) {
    const later = [...this.#pane.querySelectorAll(".block")].find((node) => Number(node.dataset.block) > number);
    const node = h("div", { class: "block", "data-block": number });
    this.#shown.set(number, node);
    this.#fill(number, 0);
    this.#pane.insertBefore(node, later ?? this.#below);
  }

  #remove(number) {
    this.#shown.get(number)?.remove();
    this.#shown.delete(number);
  }

  /** A block, or without a number everything, has other lines now. */
  #takeOff(number) {
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

  /** The lines of a block are others from one on, or more. */
  #change(number, same) {
    const node = this.#shown.get(number);
    if (!node) return;
    while (node.children.length > same) node.lastChild.remove();
    this.#fill(number, same);
  }

  #fill(number, from) {
    // Colours that a line leaves on go on in the next one.
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
    this.#pane.scrollTop = top;
    this.#lastTop = this.#pane.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#pane;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.#setFollow(true);
    else if (scrollTop < this.#lastTop) this.#setFollow(false);
    this.#lastTop = scrollTop;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#draw();
    });
  }

  #setFollow(on) {
    this.#follow = on;
    this.#followButton?.setAttribute("aria-pressed", String(on));
  }

  async #goTo(line) {
    const number = Math.floor(line / BLOCK);
    this.#setFollow(false);
    this.#current = line;
    await Promise.all(
      [number - 1, number, number + 1]
        .filter((one) => one >= 0 && one < this.#lines.count)
        .map((one) => this.#lines.load(one)),
    );
    let above = 0;
    for (let one = 0; one < number; one += 1) above += this.#height(one);
    this.#scrollTo(above);
    await this.#draw();
    const node = this.#shown.get(number)?.children[line % BLOCK];
    if (node) this.#scrollTo(node.offsetTop - this.#pane.clientHeight / 3);
    this.#mark();
    this.#noted({ line: line + 1 });
  }

  #topLine() {
    const { first } = this.#inSight();
    return this.#follow ? this.#lines.total : first * BLOCK;
  }

  /** A click on a line's number gives the line an address of its own. */
  #clicked(event) {
    const line = event.target.closest(".row");
    if (!line || event.clientX > line.getBoundingClientRect().left + parseFloat(getComputedStyle(line).paddingLeft))
      return;
    this.#current = Number(line.dataset.n) - 1;
    this.#noted({ line: this.#current + 1 });
    this.#mark();
  }

  /** Show what was found, and the line one stands at. */
  #mark() {
    for (const node of this.#pane.querySelectorAll(".row.current")) node.classList.remove("current");
    if (this.#current !== null)
      this.#pane.querySelector(`.row[data-n="${this.#current + 1}"]`)?.classList.add("current");
    this.#search.highlight(this.#pane);
  }

  #say(text) {
    this.#pane.querySelector(".said")?.remove();
    this.#pane.prepend(h("p", { class: "said" }, text));
  }

  /** Save everything as a file; fetched, because a link cannot carry the token. */
  async #download(button, name) {
    button.disabled = true;
    try {
      const texts = await this.#lines.everything((come) => (button.textContent = bytes(come)));
      const url = URL.createObjectURL(new Blob(texts, { type: "text/plain" }));
      h("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    } catch (error) {
      this.#say(error.message);
    }
    button.disabled = false;
    button.textContent = "Download";
  }
}

function row(line, number, ansi, lost) {
  return h(
    "div",
    { class: line.err ? "row stderr" : "row", "data-n": number + 1 },
    line.gap && h("span", { class: "note" }, `— ${bytes(lost)} were let go here: too much output —\n`),
    ansi.nodes(line.text),
    line.cut && h("span", { class: "note" }, ` … ${count(line.cut)} more bytes in this line; the download has them`),
    "\n",
  );
}
