// A session's output of any size: only what is in sight is on the page, and it grows while one looks.

import { Ansi } from "./ansi.js";
import { get } from "./api.js";
import { h } from "./dom.js";
import { bytes, count } from "./format.js";
import { LogSearch } from "./logsearch.js";

const BLOCK = 200; // lines that come and go together
const BLOCKS_KEPT = 60;
const LOOK_MS = 1_000;
const NEAR_END_PX = 40;
const LINE_PX = 18; // until a line has been measured
const TALLEST_PX = 12_000_000; // browsers lay out no taller element reliably

export class LogView {
  node;
  #path;
  #session;
  #search;
  #pane = h("div", { class: "lines", tabindex: "0", role: "region", "aria-label": "Output" });
  #above = h("div");
  #below = h("div");
  #followButton;
  #blocks = new Map(); // number → { lines, node, end }
  #heights = [];
  #linePx = LINE_PX;
  #total = 0;
  #ended = false;
  #complete = false;
  #follow = true;
  #lastTop = 0;
  #current = null;
  #loading = new Map();
  #frame = null;
  #timer = null;
  #stopped = false;
  #noted;

  /**
   * `place`: where to begin, as { line, find }: a line, counted from 1, and a text to look for.
   * `noted`: told of another place, so that the address can keep it.
   */
  constructor(taskId, attempt, session, place, noted) {
    this.#path = `/api/tasks/${encodeURIComponent(taskId)}/attempts/${attempt}/log`;
    this.#session = session;
    this.#noted = noted;
    this.#search = new LogSearch(`${this.#path}/search`, session, {
      go: (line) => this.#goTo(line), here: () => this.#current ?? this.#topLine() - 1,
      marked: () => this.#mark(), noted });
    this.#followButton = h("button", { type: "button", class: "small", "aria-pressed": "true", onclick: () => this.toEnd(),
      title: "Stay at the end while it grows" }, "Follow");
    const save = h("button", { type: "button", class: "small", onclick: () => this.#download(save, `${taskId}-attempt-${attempt}-${session}.log`.replaceAll("/", "_")) }, "Download");
    this.node = h("div", { class: "logview" },
      h("div", { class: "toolbar" }, this.#search.node, h("span", { class: "gap" }), this.#followButton, save),
      this.#pane);
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
    if (line) await this.#goTo(Math.min(line, this.#total) - 1);
    if (find) this.#search.begin(find, { jump: !line });
  }

  // ───── what is there ─────

  /** How much there is by now; at the end of the output also what stands there. */
  async #look() {
    this.#timer = null;
    const last = Math.max(0, Math.floor((this.#total - 1) / BLOCK));
    const before = this.#total;
    let answer;
    try {
      answer = await get(`${this.#path}/lines`, { session: this.#session, first: this.#follow && !before ? -BLOCK : last * BLOCK, count: 2 * BLOCK });
    } catch (error) {
      this.#say(error.message);
      if (!this.#stopped) this.#timer = setTimeout(() => this.#look(), 5 * LOOK_MS);
      return;
    }
    if (this.#stopped) return;
    this.#learn(answer);
    if (answer.first % BLOCK === 0) this.#keep(answer);
    await this.#draw();
    const isQuiet = this.#ended && this.#complete && before === this.#total;
    if (isQuiet) {
      if (!this.#total) this.#say("Nothing was written.");
      return;
    }
    this.#timer = setTimeout(() => this.#look(), this.#complete ? LOOK_MS : 0);
  }

  #learn({ total, ended, complete, lost }) {
    if (total < this.#total) this.#forget(); // output was let go: the lines have other numbers now
    this.#total = total;
    this.#ended = ended;
    this.#complete = complete;
    this.lost = lost;
  }

  #forget() {
    for (const { node } of this.#blocks.values()) node?.remove();
    this.#blocks.clear();
    this.#heights = [];
  }

  #keep({ first, lines }) {
    for (let start = 0; start < lines.length; start += BLOCK) {
      const number = (first + start) / BLOCK;
      const part = lines.slice(start, start + BLOCK);
      const known = this.#blocks.get(number);
      this.#blocks.delete(number);
      if (known && known.lines.length <= part.length) {
        this.#blocks.set(number, known);
        this.#grow(known, part);
      } else {
        known?.node?.remove();
        this.#blocks.set(number, { number, lines: part, node: null, end: null });
      }
    }
    for (const [number, block] of this.#blocks) {
      if (this.#blocks.size <= BLOCKS_KEPT) break;
      if (!block.node) this.#blocks.delete(number);
    }
  }

  async #load(number) {
    const known = this.#blocks.get(number);
    if (known && (known.lines.length === BLOCK || (number + 1) * BLOCK > this.#total)) return;
    if (!this.#loading.has(number)) {
      this.#loading.set(number, get(`${this.#path}/lines`, { session: this.#session, first: number * BLOCK, count: BLOCK })
        .then((answer) => this.#keep(answer), () => {}).finally(() => this.#loading.delete(number)));
    }
    await this.#loading.get(number);
  }

  // ───── what is in sight ─────

  #blockCount() {
    return Math.ceil(this.#total / BLOCK);
  }

  #height(number) {
    const lines = Math.min(BLOCK, this.#total - number * BLOCK);
    return this.#heights[number] ?? lines * Math.min(this.#linePx, TALLEST_PX / this.#total);
  }

  /** Numbers of the first and the last block in sight, and how tall everything before the first one is. */
  #inSight() {
    const top = this.#pane.scrollTop;
    const blocks = this.#blockCount();
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
    if (this.#stopped || !this.#total) return;
    this.#place();
    if (this.#follow) this.#scrollTo(this.#pane.scrollHeight);
    const { first, last } = this.#inSight();
    const wanted = [];
    for (let number = Math.max(0, first - 1); number <= Math.min(this.#blockCount() - 1, last + 1); number += 1) wanted.push(number);
    const missing = wanted.filter((number) => !this.#blocks.get(number)?.node);
    this.#place(wanted);
    const toLoad = wanted.filter((number) => !this.#blocks.has(number));
    if (toLoad.length) {
      await Promise.all(toLoad.map((number) => this.#load(number)));
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
      const keep = new Set(wanted);
      for (const block of this.#blocks.values()) {
        if (!block.node || keep.has(block.number)) continue;
        block.node.remove();
        block.node = null;
      }
      for (const number of wanted) {
        const block = this.#blocks.get(number);
        if (block && !block.node) this.#insert(block);
      }
    }
    const shown = [...this.#pane.querySelectorAll(".block")];
    for (const node of shown) this.#measure(node);
    const numbers = shown.map((node) => Number(node.dataset.block));
    const from = numbers[0] ?? 0;
    let above = 0;
    for (let number = 0; number < from; number += 1) above += this.#height(number);
    let below = 0;
    for (let number = (numbers.at(-1) ?? -1) + 1; number < this.#blockCount(); number += 1) below += this.#height(number);
    // What is between two blocks in sight and not yet loaded is left to the next drawing.
    this.#above.style.setProperty("height", `${above}px`);
    this.#below.style.setProperty("height", `${below}px`);
    if (anchor?.node.isConnected) this.#scrollTo(anchor.node.offsetTop - anchor.offset);
  }

  #anchor() {
    const top = this.#pane.scrollTop;
    for (const node of this.#pane.querySelectorAll(".block")) {
      if (node.offsetTop + node.offsetHeight > top) return node.offsetTop < top + this.#pane.clientHeight ? { node, offset: node.offsetTop - top } : null;
    }
    return null;
  }

  #insert(block) {
    const later = [...this.#pane.querySelectorAll(".block")].find((node) => Number(node.dataset.block) > block.number);
    block.node = h("div", { class: "block", "data-block": block.number });
    this.#fill(block, 0);
    this.#pane.insertBefore(block.node, later ?? this.#below);
  }

  #measure(node) {
    const number = Number(node.dataset.block);
    const px = node.offsetHeight;
    if (!px) return;
    this.#heights[number] = px;
    const lines = this.#blocks.get(number)?.lines.length;
    if (lines === BLOCK) this.#linePx = px / lines;
  }

  #grow(block, lines) {
    let same = 0;
    while (same < block.lines.length && block.lines[same].text === lines[same].text && block.lines[same].cut === lines[same].cut) same += 1;
    block.lines = lines;
    if (!block.node || (same === lines.length)) return;
    while (block.node.children.length > same) block.node.lastChild.remove();
    this.#fill(block, same);
  }

  #fill(block, from) {
    // Colours that a line leaves on go on in the next one.
    const ansi = from ? block.end : new Ansi(this.#blocks.get(block.number - 1)?.end);
    const rows = block.lines.slice(from).map((line, place) => row(line, block.number * BLOCK + from + place, ansi, this.lost));
    block.end = ansi;
    block.node.append(...rows);
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
    await Promise.all([number - 1, number, number + 1].filter((one) => one >= 0 && one < this.#blockCount()).map((one) => this.#load(one)));
    let above = 0;
    for (let one = 0; one < number; one += 1) above += this.#height(one);
    this.#scrollTo(above);
    await this.#draw();
    const node = this.#blocks.get(number)?.node?.children[line % BLOCK];
    if (node) this.#scrollTo(node.offsetTop - this.#pane.clientHeight / 3);
    this.#mark();
    this.#noted({ line: line + 1 });
  }

  #topLine() {
    const { first } = this.#inSight();
    return this.#follow ? this.#total : first * BLOCK;
  }

  /** A click on a line's number gives the line an address of its own. */
  #clicked(event) {
    const line = event.target.closest(".row");
    if (!line || event.clientX > line.getBoundingClientRect().left + parseFloat(getComputedStyle(line).paddingLeft)) return;
    this.#current = Number(line.dataset.n) - 1;
    this.#noted({ line: this.#current + 1 });
    this.#mark();
  }

  /** Show what was found, and the line one stands at. */
  #mark() {
    for (const node of this.#pane.querySelectorAll(".row.current")) node.classList.remove("current");
    if (this.#current !== null) this.#pane.querySelector(`.row[data-n="${this.#current + 1}"]`)?.classList.add("current");
    this.#search.highlight(this.#pane);
  }

  #say(text) {
    this.#pane.querySelector(".said")?.remove();
    this.#pane.prepend(h("p", { class: "said" }, text));
  }

  /** Save everything as a file; fetched, because a link cannot carry the token. */
  async #download(button, name) {
    const parts = [];
    button.disabled = true;
    try {
      for (let from = 0; ;) {
        const answer = await get(this.#path, { session: this.#session, from });
        parts.push(...answer.pieces.map((piece) => piece.text));
        if (!answer.pieces.length) break;
        from = answer.next;
        button.textContent = bytes(from);
      }
      const url = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
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
  return h("div", { class: line.err ? "row stderr" : "row", "data-n": number + 1 },
    line.gap && h("span", { class: "note" }, `— ${bytes(lost)} were let go here: too much output —\n`),
    ansi.nodes(line.text),
    line.cut && h("span", { class: "note" }, ` … ${count(line.cut)} more bytes in this line; the download has them`),
    "\n");
}
