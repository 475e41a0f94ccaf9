// @ts-check
// Outcomes of attempts: one bar per minute, divided by outcome.

import { h, svg } from "../dom.js";
import { count, plural } from "../format.js";
import { asTable, cell, empty, table } from "../pieces.js";
import { fillOf, kindsText, legend, patterns, wordOf } from "./kinds.js";
import { Picture } from "./picture.js";
import { box, clock, levels, moments, scale } from "./plot.js";
import * as source from "./source.js";

const HEIGHT_PX = 112;
const AXIS_PX = 18;
const TOP_PX = 6;
const LEFT_PX = 30;
const MINUTE_S = 60;
const KINDS = ["passed", "retried", "failed", "held", "interrupted", "stopped"];

class Bars extends Picture {
  /** @type {number | null} */
  #marked = null; // the index of a bar
  #bars = [];

  constructor() {
    super("bars");
    this.node.addEventListener("pointermove", (event) => this.#point(event));
    this.node.addEventListener("keydown", (event) => this.#key(event));
  }

  get #range() {
    return source.rangeOf(this.context.place.query);
  }

  follow() {
    source.follow(this, this.#range, this.context.status.seq);
  }

  leave() {
    this.#mark(null);
  }

  view() {
    patterns();
    const data = source.known(this.#range);
    if (!data) return [h("h2", null, "Outcomes"), empty(source.problem()?.message ?? "Loading…")];
    const words = data.bar_s === MINUTE_S ? "minute" : `${data.bar_s / MINUTE_S} minutes`;
    const [from, to] = [Date.parse(data.from), Date.parse(data.to)];
    this.#bars = data.bars.map(({ at, ...kinds }) => ({ at: Date.parse(at), kinds, total: sum(kinds) }));
    const most = Math.max(0, ...this.#bars.map((bar) => bar.total));
    const found = KINDS.filter((kind) => this.#bars.some((bar) => bar.kinds[kind]));
    return [
      h("h2", null, `Outcomes per ${words}`),
      h(
        "div",
        {
          class: "chart",
          tabindex: "0",
          role: "group",
          "aria-roledescription": "bar chart",
          "aria-label": `How attempts ended, per ${words}. Use the arrow keys to move between bars.`,
        },
        this.#drawing(data, from, to, most),
      ),
      h("p", { class: "said", role: this.role }, this.#said(data)),
      found.length > 0 && legend(found),
      this.#twin(found),
    ];
  }

  #drawing(data, from, to, most) {
    const lines = levels(most);
    const bottom = HEIGHT_PX - AXIS_PX;
    const up = scale(0, lines.at(-1), bottom, TOP_PX);
    const place = scale(from, to, LEFT_PX, this.width);
    const width = Math.max(1, place(from + data.bar_s * 1000) - place(from));
    const paths = Object.fromEntries(KINDS.map((kind) => [kind, ""]));
    for (const bar of this.#bars) {
      bar.x = Math.max(LEFT_PX, place(bar.at));
      bar.width = Math.min(this.width, place(bar.at) + width) - bar.x;
      let level = 0;
      for (const kind of KINDS) {
        if (!bar.kinds[kind]) continue;
        const next = level + bar.kinds[kind];
        paths[kind] += box(bar.x, up(next), Math.max(1, bar.width - (width > 3 ? 1 : 0)), up(level) - up(next));
        level = next;
      }
    }
    return svg(
      "svg",
      { width: this.width, height: HEIGHT_PX, "aria-hidden": "true" },
      ...lines.flatMap((level) => [
        svg("path", { class: "grid", d: `M${LEFT_PX} ${Math.round(up(level)) + 0.5}H${this.width}` }),
        svg("text", { x: LEFT_PX - 5, y: up(level) + 4, "text-anchor": "end" }, count(level)),
      ]),
      svg("path", { class: "ground", d: `M${LEFT_PX} ${bottom + 0.5}H${this.width}` }),
      ...KINDS.map((kind) => svg("path", { class: "block", d: paths[kind], fill: fillOf(kind) })),
      svg("path", { class: "mark", d: "" }),
      ...moments(from, to, this.width)
        .filter(({ at }) => place(at) > LEFT_PX + 14 && place(at) < this.width - 16)
        .map(({ at, words }) =>
          svg("text", { x: Math.round(place(at)), y: HEIGHT_PX - 4, "text-anchor": "middle" }, words),
        ),
    );
  }

  #said(data) {
    const bar = this.#bars[this.#marked ?? -1];
    if (bar)
      return `${clock(bar.at)}–${clock(bar.at + data.bar_s * 1000)}: ${bar.total ? kindsText(ordered(bar.kinds)) : "nothing ended"}.`;
    const all = {};
    for (const { kinds } of this.#bars) for (const [kind, n] of Object.entries(kinds)) all[kind] = (all[kind] ?? 0) + n;
    const cut =
      data.complete_from > data.from ? ` Counts before ${clock(Date.parse(data.complete_from))} are incomplete.` : "";
    return sum(all)
      ? `${plural(sum(all), "attempt")} ended: ${kindsText(ordered(all))}.${cut}`
      : "Nothing ended in this period.";
  }

  #twin(found) {
    const isOpen = this.node.querySelector("details")?.open;
    const rows = this.#bars.filter((bar) => bar.total).reverse();
    return asTable(
      isOpen,
      () => this.draw({ force: true }),
      () =>
        table(
          "bar-rows",
          "Outcomes",
          ["From", ...found.map(wordOf)],
          rows.map((bar) =>
            h(
              "tr",
              { key: bar.at },
              cell("From", { class: "c-time" }, clock(bar.at)),
              found.map((kind) => cell(wordOf(kind), { class: "c-number" }, String(bar.kinds[kind] ?? 0))),
            ),
          ),
        ),
    );
  }

  #point(event) {
    const drawing = event.target.closest(".chart")?.firstChild;
    if (!drawing) return;
    const x = event.clientX - drawing.getBoundingClientRect().left;
    this.#mark(this.#bars.findIndex((bar) => x >= bar.x && x < bar.x + bar.width));
  }

  #mark(place) {
    this.#marked = place;
    const bar = this.#bars[place];
    this.node
      .querySelector(".mark")
      ?.setAttribute("d", bar ? box(bar.x - 0.5, TOP_PX, bar.width, HEIGHT_PX - AXIS_PX - TOP_PX) : "");
    const data = source.known(this.#range);
    if (data) this.node.querySelector(".said").textContent = this.#said(data);
  }

  #key(event) {
    if (!event.target.classList.contains("chart") || !this.#bars.length) return;
    const last = this.#bars.length - 1;
    const here = this.#marked === null || this.#marked < 0 ? last + 1 : this.#marked;
    const next = { ArrowLeft: Math.max(0, here - 1), ArrowRight: Math.min(last, here + 1), Home: 0, End: last }[
      event.key
    ];
    if (next === undefined) return;
    event.preventDefault();
    this.#mark(next);
  }
}

const sum = (kinds) => Object.values(kinds).reduce((all, n) => all + n, 0);
const ordered = (kinds) => Object.fromEntries(KINDS.filter((kind) => kinds[kind]).map((kind) => [kind, kinds[kind]]));

const picture = new Bars();

/** How attempts ended by the minute, for a screen's `view`; `status` must be there. */
export const outcomes = (context) => picture.at(context);
