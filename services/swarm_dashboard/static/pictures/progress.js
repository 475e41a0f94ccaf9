// @ts-check
// Progress so far, and the likely end with its range of uncertainty.

import { h, svg } from "../dom.js";
import { count, duration, hours, now, percent, plural } from "../format.js";
import { asTable, cell, empty, table } from "../pieces.js";
import { patterns } from "./kinds.js";
import { Picture } from "./picture.js";
import { clock, levels, moments, scale } from "./plot.js";
import * as source from "./source.js";

const HEIGHT_PX = 150;
const AXIS_PX = 18;
const TOP_PX = 10;
const MOST_AHEAD = 4; // an end beyond this many ranges is given in words only
const SECOND_MS = 1000;

class Progress extends Picture {
  constructor() {
    super("progress");
  }

  get #range() {
    return source.rangeOf(this.context.place.query);
  }

  follow() {
    source.follow(this, this.#range, this.context.status.seq);
  }

  view() {
    patterns();
    const data = source.known(this.#range);
    const { tasks, progress } = this.context.status;
    const head = h("h2", null, "Progress");
    if (!data) return [head, empty(source.problem()?.message ?? "Loading…")];
    const points = this.#points(data);
    const total = tasks.total.count;
    return [
      head,
      h(
        "figure",
        {
          class: "chart",
          role: "img",
          "aria-label": `${percent(progress)} of ${plural(total, "task")} completed. ${this.#ahead(data)}`,
        },
        this.#drawing(data, points, total),
      ),
      h("p", { class: "said" }, this.#hours(), " ", this.#ahead(data)),
      h(
        "ul",
        { class: "legend" },
        h("li", null, swatch("line done"), "completed"),
        h("li", null, swatch("line total"), "all tasks"),
        data.outlook && h("li", null, swatch("line likely"), "likely"),
        data.outlook && h("li", null, swatch("band"), "80% range"),
      ),
      this.#twin(data, points),
    ];
  }

  /** The number of completed tasks over the range, counted back from now. */
  #points(data) {
    let done = this.context.status.tasks.completed.count;
    const found = [[Date.parse(data.to), done]];
    for (const bar of [...data.bars].reverse()) {
      done = Math.max(0, done - (bar.passed ?? 0));
      found.push([Math.max(Date.parse(data.from), Date.parse(bar.at)), done]);
    }
    return found.reverse();
  }

  #drawing(data, points, total) {
    const [from, to] = [Date.parse(data.from), Date.parse(data.to)];
    const { outlook } = data;
    const reach = outlook ? Math.min(outlook.high_s * SECOND_MS, MOST_AHEAD * (to - from)) : 0;
    const until = to + Math.max(reach * 1.04, (to - from) * 0.02);
    const lines = levels(total);
    const left = 12 + 7 * count(lines.at(-1)).length;
    const bottom = HEIGHT_PX - AXIS_PX;
    const place = scale(from, until, left, this.width);
    const up = scale(0, lines.at(-1), bottom, TOP_PX);
    const line = points.map(([at, n]) => `${place(at).toFixed(1)} ${up(n).toFixed(1)}`).join("L");
    const [nowX, nowY] = [place(to), up(points.at(-1)[1])];
    return svg(
      "svg",
      { width: this.width, height: HEIGHT_PX, "aria-hidden": "true" },
      ...lines.flatMap((level) => [
        svg("path", { class: "grid", d: `M${left} ${Math.round(up(level)) + 0.5}H${this.width}` }),
        svg("text", { x: left - 5, y: up(level) + 4, "text-anchor": "end" }, count(level)),
      ]),
      svg("path", { class: "line total", d: `M${left} ${up(total)}H${this.width}` }),
      svg("path", { class: "area done", d: `M${place(from)} ${bottom}L${line}V${bottom}z` }),
      svg("path", { class: "line done", d: `M${line}` }),
      ...this.#outlook(outlook, { to, until, place, up, nowX, nowY, goal: this.#goal() }),
      svg("path", { class: "tick now", d: `M${nowX} ${TOP_PX}V${bottom}` }),
      ...moments(from, until, this.width)
        .filter(({ at }) => place(at) > left + 14 && place(at) < this.width - 16)
        .map(({ at, words }) =>
          svg("text", { x: Math.round(place(at)), y: HEIGHT_PX - 4, "text-anchor": "middle" }, words),
        ),
    );
  }

  #outlook(outlook, { to, until, place, up, nowX, nowY, goal }) {
    if (!outlook) return [];
    // A line towards the likely end, clipped to the drawing.
    const towards = (seconds) => {
      const at = Math.max(seconds * SECOND_MS, 1);
      const share = Math.min(1, (until - to) / at);
      return [place(to + at * share), nowY + (up(goal) - nowY) * share];
    };
    const [low, likely, high] = [outlook.low_s, outlook.eta_s, outlook.high_s].map(towards);
    return [
      svg("path", { class: "band", d: `M${nowX} ${nowY}L${low.join(" ")}L${high.join(" ")}z` }),
      svg("path", { class: "line likely", d: `M${nowX} ${nowY}L${likely.join(" ")}` }),
      svg("circle", {
        class: "likely",
        cx: likely[0],
        cy: likely[1],
        r: outlook.eta_s * SECOND_MS <= until - to ? 3 : 0,
      }),
    ];
  }

  /** The number of completed tasks at the end, if everything succeeds. */
  #goal() {
    const { tasks } = this.context.status;
    return tasks.completed.count + tasks.not_started.count + tasks.in_progress.count;
  }

  #hours() {
    const { tasks, remaining_hours: left } = this.context.status;
    if (!tasks.total.hours) return `${count(tasks.completed.count)} of ${plural(tasks.total.count, "task")} completed.`;
    return `${hours(tasks.completed.hours)} of ${hours(tasks.total.hours)} done, ${hours(left)} remain.`;
  }

  #ahead({ outlook }) {
    if (!outlook) {
      const { not_started: waiting, in_progress: running } = this.context.status.tasks;
      return waiting.count + running.count
        ? "An estimate appears once a task has finished and workers are running."
        : "Nothing left to do.";
    }
    const end = clock(now() + outlook.eta_s * SECOND_MS);
    const [low, high] = [duration(outlook.low_s), duration(outlook.high_s)];
    return (
      `About ${duration(outlook.eta_s)} left (${end})${low === high ? "" : `, 80% likely between ${low} and ${high}`}: ` +
      `based on the last ${plural(outlook.passes, "completed task")}, ${duration(outlook.mean_s)} on average.`
    );
  }

  #twin(_data, points) {
    const isOpen = this.node.querySelector("details")?.open;
    return asTable(
      isOpen,
      () => this.draw({ force: true }),
      () =>
        table(
          "progress-rows",
          "Progress",
          ["At", "Completed", "Change"],
          points
            .map(([at, n], place) => [at, n, n - (points[place - 1]?.[1] ?? n)])
            .filter(([, , more], place) => more || place === points.length - 1 || place === 0)
            .reverse()
            .map(([at, n, more]) =>
              h(
                "tr",
                { key: at },
                cell("At", { class: "c-time" }, clock(at)),
                cell("Completed", { class: "c-number" }, count(n)),
                cell("Change", { class: "c-number" }, `+${count(more)}`),
              ),
            ),
        ),
    );
  }
}

const swatch = (kind) =>
  svg(
    "svg",
    { class: "swatch", viewBox: "0 0 20 12", "aria-hidden": "true" },
    kind === "band" ? svg("path", { class: kind, d: "M0 0h20v12h-20z" }) : svg("path", { class: kind, d: "M0 6h20" }),
  );

const picture = new Progress();

/** Completed tasks over time and the likely end, for a screen's `view`; `status` must be there. */
export const progress = (context) => picture.at(context);
