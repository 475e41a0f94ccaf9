// @ts-check
// Searches a log for a text or the first error; the server searches a bounded piece at a time.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count } from "../format.js";

const MOST = 10_000;
const TYPING_MS = 250;

export class LogSearch {
  node;
  #path;
  #session;
  #view;
  #field = h("input", {
    type: "search",
    "aria-label": "Find in this log",
    placeholder: "Find in this log",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 400,
  });
  #status = h("span", { class: "quiet found", role: "status" });
  #steps;
  /** @type {{ kind?: string, q?: string } | null} */
  #asked = null;
  #hits = [];
  #next = 0; // null once everything was searched
  #at = -1;
  /** @type {AbortController | null} */
  #run = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** `view`: how to `go` to a line, which line one is `here` at, what to call when hits are `marked`, where to keep what was `noted`. */
  constructor(path, session, view) {
    this.#path = path;
    this.#session = session;
    this.#view = view;
    this.#steps = [
      ["Previous", "↑", -1],
      ["Next", "↓", 1],
    ].map(([word, sign, by]) =>
      h(
        "button",
        {
          type: "button",
          class: "small",
          "aria-label": `${word} find`,
          title: word,
          disabled: true,
          onclick: () => this.step(by),
        },
        sign,
      ),
    );
    this.#field.oninput = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.begin(this.#field.value), TYPING_MS);
    };
    this.#field.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      clearTimeout(this.#timer);
      if (this.#asked?.q === this.#field.value) this.step(event.shiftKey ? -1 : 1);
      else this.begin(this.#field.value);
    };
    this.node = h(
      "div",
      { class: "find", role: "search", "aria-label": "Find in this log" },
      this.#field,
      this.#steps,
      h("button", { type: "button", class: "small", onclick: () => this.errors() }, "First error"),
      this.#status,
    );
  }

  stop() {
    clearTimeout(this.#timer);
    this.#run?.abort();
  }

  /** Keys while the log has the focus: n and N as in a pager. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== "n" || !this.#asked) return;
    event.preventDefault();
    event.stopPropagation();
    this.step(event.key === "n" ? 1 : -1);
  }

  /** Search for a text and go to its next occurrence. */
  begin(text, { jump = true } = {}) {
    this.#field.value = text;
    this.#view.noted({ find: text });
    return this.#start(text ? { kind: "text", q: text } : null, jump);
  }

  errors() {
    this.#field.value = "";
    this.#view.noted({ find: "" });
    return this.#start({ kind: "errors" }, true);
  }

  async #start(asked, jump) {
    this.#run?.abort();
    this.#run = new AbortController();
    this.#asked = asked;
    this.#hits = [];
    this.#next = 0;
    this.#at = -1;
    this.#showStatus();
    this.#view.marked();
    if (!asked) return;
    const { signal } = this.#run;
    const from = asked.kind === "errors" ? 0 : Math.max(0, this.#view.here());
    try {
      await this.#more(signal, () => {
        if (jump && this.#at < 0) this.#jump(this.#hits.findIndex((line) => line >= from));
      });
      if (jump && this.#at < 0 && this.#hits.length) this.#jump(0);
    } catch (error) {
      if (error.name !== "AbortError") this.#status.textContent = error.message;
    }
  }

  /** Continue where the last search ended, as the log may have grown since. */
  async #more(signal, found = () => {}) {
    while (this.#next !== null && this.#hits.length < MOST) {
      const answer = await get(this.#path, { session: this.#session, ...this.#asked, first: this.#next }, signal);
      this.#hits.push(...answer.hits);
      this.#next = answer.next;
      this.total = answer.total;
      found();
      this.#showStatus();
    }
    this.#showStatus();
  }

  async step(by) {
    if (!this.#asked) return;
    const atEnd = by > 0 && this.#at === this.#hits.length - 1;
    if (atEnd && this.#next === null && this.#hits.length < MOST) {
      this.#next = this.#hits.length ? this.#hits.at(-1) + 1 : 0;
      await this.#more(this.#run?.signal).catch(() => {});
    }
    if (this.#hits.length) this.#jump((this.#at + by + this.#hits.length) % this.#hits.length);
  }

  #jump(place) {
    if (place < 0) return;
    this.#at = place;
    this.#showStatus();
    this.#view.go(this.#hits[place]);
  }

  #showStatus() {
    const all = `${count(this.#hits.length)}${this.#hits.length >= MOST ? "+" : this.#next !== null && this.#hits.length ? " so far" : ""}`;
    const word = this.#asked?.kind === "errors" ? "error " : "";
    const looking = this.#next !== null && this.#hits.length < MOST;
    this.#status.textContent = !this.#asked
      ? ""
      : this.#at >= 0
        ? `${word}${count(this.#at + 1)} of ${all}`
        : looking
          ? "looking…"
          : this.#hits.length
            ? all
            : word
              ? "no errors found"
              : "not found";
    for (const button of this.#steps) button.disabled = !this.#hits.length;
  }

  /** Highlight occurrences in the lines on the page without changing them. */
  highlight(pane) {
    if (!globalThis.CSS?.highlights) return;
    const wanted = this.#asked?.kind === "text" ? (this.#asked.q ?? "").toLowerCase() : "";
    const ranges = wanted ? [...pane.querySelectorAll(".row")].flatMap((row) => rangesIn(row, wanted)) : [];
    if (ranges.length) CSS.highlights.set("found", new Highlight(...ranges));
    else CSS.highlights.delete("found");
  }
}

/** The ranges of a text in a row, across the elements that colour it. */
function rangesIn(row, wanted) {
  const text = row.textContent.toLowerCase();
  const found = [];
  for (let start = text.indexOf(wanted); start >= 0; start = text.indexOf(wanted, start + wanted.length)) {
    const range = document.createRange();
    range.setStart(...placeOf(row, start));
    range.setEnd(...placeOf(row, start + wanted.length));
    found.push(range);
  }
  return found;
}

/** @returns {[Node, number]} */
function placeOf(row, offset) {
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = /** @type {Text} */ (walker.nextNode()); node; node = /** @type {Text} */ (walker.nextNode())) {
    if (left <= node.data.length) return [node, left];
    left -= node.data.length;
  }
  return [row, row.childNodes.length];
}
