// A session's output that grows while one looks: from the end, with what came before on request.

import { Ansi } from "./ansi.js";
import { get } from "./api.js";
import { h } from "./dom.js";
import { bytes } from "./format.js";

const TAIL_BYTES = 128 * 1024;
const LOOK_MS = 1_000;
const NEAR_END_PX = 40;

export class LogTail {
  node = h("pre", { class: "log", tabindex: "0", role: "log", "aria-label": "Output", "data-own": "" });
  follow = true;
  sessions = [];
  #path;
  #query;
  #next = null;
  #ansi = new Ansi();
  #timer = null;
  #stopped = false;

  constructor(taskId, attempt, query) {
    this.#path = `/api/tasks/${encodeURIComponent(taskId)}/attempts/${attempt}/log`;
    this.#query = query;
    this.node.onscroll = () => {
      const gap = this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight;
      this.follow = gap < NEAR_END_PX;
    };
    this.#load(-TAIL_BYTES);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Something was committed: look at once. */
  nudge() {
    if (this.#timer === null || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#load(this.#next);
  }

  toEnd() {
    this.follow = true;
    this.node.scrollTop = this.node.scrollHeight;
  }

  async #load(from) {
    this.#timer = null;
    let answer;
    try {
      answer = await get(this.#path, { ...this.#query, from });
    } catch (error) {
      this.node.append(h("span", { class: "gap" }, `\n— ${error.message} —\n`));
      return;
    }
    if (this.#stopped) return;
    this.sessions = answer.sessions;
    if (this.#next === null) this.#begin(answer);
    for (const piece of answer.pieces) this.#show(piece, answer.lost);
    const grew = answer.pieces.length > 0;
    this.#next = answer.next;
    if (this.follow && grew) this.toEnd();
    if (answer.ended && !grew) {
      if (!this.node.childNodes.length) this.node.append(h("span", { class: "gap" }, "Nothing was written."));
      return;
    }
    this.#timer = setTimeout(() => this.#load(this.#next), grew ? 0 : LOOK_MS);
  }

  #begin(answer) {
    const first = answer.pieces[0]?.start ?? 0;
    if (first === 0) return;
    this.node.append(h("button", { type: "button", class: "small", onclick: () => this.#all() },
      `Show the ${bytes(first)} before`));
    this.node.append(h("br"));
  }

  #all() {
    clearTimeout(this.#timer);
    this.node.replaceChildren();
    this.#ansi = new Ansi();
    this.follow = false;
    this.#next = 0;
    this.#load(0);
  }

  #show(piece, lost) {
    if (lost && piece.start >= lost[1] && this.#next !== null && this.#next <= lost[0]) {
      this.node.append(h("span", { class: "gap" }, `\n— ${bytes(lost[1] - lost[0])} were let go: too much output —\n`));
    }
    const nodes = this.#ansi.nodes(piece.text);
    if (piece.stream === 2) this.node.append(h("span", { class: "stderr" }, nodes));
    else this.node.append(...nodes);
  }

  /** Save everything as a file. */
  async download(name) {
    const parts = [];
    let from = 0;
    for (;;) {
      const answer = await get(this.#path, { ...this.#query, from });
      parts.push(...answer.pieces.map((piece) => piece.text));
      if (!answer.pieces.length) break;
      from = answer.next;
    }
    const url = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
    const link = h("a", { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}
