// @ts-check
// A lane per worker over the last hours: what ran when, how it ended, and what runs now.

import { h, svg } from "../dom.js";
import { count, duration, moment, now, plural, sinceSeconds } from "../format.js";
import { asTable, at, cell, elapsed, empty, table, taskLink, taskPath } from "../pieces.js";
import { fillOf, kindsText, legend, patterns, wordOf } from "./kinds.js";
import { Picture } from "./picture.js";
import { beginOf, box, clock, moments, scale } from "./plot.js";
import * as source from "./source.js";

const BAR_PX = 18;
const LANDING_PX = 8; // landings are drawn lower, as they are not work of the agent
const LEAST_PX = 2;
const SHADED_PX = 26; // from this width on a block shows its parts
const WORDS_PX = 88; // from this width on a running block holds words
const MOST_WITH_CAPTIONS = 12;
const MOST_ROWS = 100;
const SILENT_S = 60;
const KINDS = ["passed", "failed", "crashed", "interrupted", "stopped"];

class Lanes extends Picture {
  #blocks = new Map(); // worker -> what can be pointed at, from left to right: {x, width, block}
  /** @type {any} one of the blocks */
  #marked = null;

  constructor() {
    super("lanes");
    this.node.addEventListener("pointermove", (event) => this.#point(event));
    this.node.addEventListener("click", (event) => event.target.closest(".lane svg") && this.#open());
    this.node.addEventListener("keydown", (event) => this.#key(event));
  }

  follow() {
    source.follow(this, this.#range, this.context.status.seq);
  }

  get #range() {
    return source.rangeOf(this.context.place.query);
  }

  leave() {
    this.#mark(null);
  }

  view() {
    patterns();
    const range = this.#range;
    const data = source.known(range);
    const words = source.RANGES[range][0];
    const head = (period) =>
      h("h2", { "aria-label": `Workers, ${period}` }, `Workers, ${period}`, source.ranges(this.context.place.query));
    if (!data) return [head(`last ${words}`), empty(source.problem()?.message ?? "Loading…")];
    const lanes = this.#lanes(data);
    if (!lanes.length) return [head(`last ${words}`), empty(`No worker has run in the last ${words}.`)];
    const base = Date.parse(data.from);
    const until = now();
    const since = beginOf(lanes, this.context.status.running, base, until, source.rangeMs(range));
    const begun = since > until - source.rangeMs(range);
    const left = parseFloat(getComputedStyle(this.node).getPropertyValue("--lane-name")) || 0;
    const place = scale(since, until, 0, this.width - left);
    this.#blocks = new Map();
    return [
      head(begun ? `since ${clock(since)}` : `last ${words}`),
      h(
        "div",
        {
          class: `chart${lanes.length > MOST_WITH_CAPTIONS ? " dense" : ""}`,
          tabindex: "0",
          role: "group",
          "aria-roledescription": "timeline",
          "aria-label": `What ran on ${plural(lanes.length, "worker")}. Arrow keys go from attempt to attempt, Enter opens the task.`,
        },
        lanes.map((lane) => this.#lane(lane, place, base, until, lanes.length > MOST_WITH_CAPTIONS)),
        this.#axis(since, until, place),
      ),
      h("p", { class: "said", role: this.role }, this.#said(data)),
      this.#legend(lanes),
      this.#twin(lanes, base),
    ];
  }

  #legend(lanes) {
    const has = (what) => lanes.some((lane) => lane.blocks.some(what));
    const shown = legend([
      "running",
      ...KINDS.filter((kind) => has((block) => block.kind === kind || block.kinds?.[kind])),
    ]);
    if (has((block) => block.parts?.length > 1))
      shown.append(h("li", { key: "parts" }, "Lighter: checks, then validation"));
    if (has((block) => block.landing)) shown.append(h("li", { key: "landing" }, "Half height: landing"));
    return shown;
  }

  /** The lanes from the server, and those of workers that started since. */
  #lanes(data) {
    const known = new Set(data.lanes.map((lane) => lane.worker_id));
    const fresh = this.context.status.workers.filter((worker) => worker.alive && !known.has(worker.worker_id));
    return [...data.lanes, ...fresh.map(({ worker_id }) => ({ worker_id, alive: true, blocks: [] }))];
  }

  #lane(lane, place, base, until, dense) {
    const paths = Object.fromEntries(KINDS.map((kind) => [kind, ""]));
    const parts = { check: "", validator: "" };
    const shown = [];
    for (const block of lane.blocks) {
      if (block.end === null) continue; // running attempts are drawn from the current status
      const from = Math.max(0, place(base + block.start * 1000));
      const width = Math.max(LEAST_PX, place(base + block.end * 1000) - from);
      if (from + width < 0) continue;
      stack(paths, block, from, width);
      if (width >= SHADED_PX) shade(parts, block, (s) => Math.max(0, place(base + s * 1000)));
      shown.push({ x: from, width, block, since: base + block.start * 1000, until: base + block.end * 1000 });
    }
    const running = this.context.status.running.find((row) => row.worker_id === lane.worker_id);
    if (running) shown.push(this.#runningBlock(running, place, until));
    this.#blocks.set(lane.worker_id, shown);
    const live = running && shown.at(-1);
    return h(
      "div",
      { class: "lane", key: lane.worker_id, "data-over": !lane.alive, "data-worker": lane.worker_id },
      h("span", { class: "lane-name", title: lane.worker_id }, lane.worker_id),
      svg(
        "svg",
        { class: "bar-lane", width: Math.max(1, Math.round(place(until))), height: BAR_PX, "aria-hidden": "true" },
        svg("path", { class: "ground", d: `M0 ${BAR_PX - 0.5}H${Math.round(place(until))}` }),
        ...KINDS.map((kind) => svg("path", { class: "block", d: paths[kind], fill: fillOf(kind) })),
        svg("path", { class: "part check", d: parts.check }),
        svg("path", { class: "part validator", d: parts.validator }),
        svg("path", {
          class: "block live",
          d: live ? box(live.x, 0, live.width, BAR_PX) : "",
          fill: fillOf("running"),
        }),
        svg("path", { class: "mark", d: "" }),
      ),
      dense
        ? live &&
            live.width >= WORDS_PX &&
            h(
              "span",
              { class: "in-block", width: `${live.width}px` },
              h("span", null, `${running.id} · ${running.stage ?? running.status}`),
            )
        : caption(running),
    );
  }

  #runningBlock(row, place, until) {
    const from = Math.max(0, place(Date.parse(row.claimed_at)));
    const block = {
      kind: "running",
      task: row.id,
      number: row.number,
      stage: row.stage,
      landing: row.status === "landing",
    };
    return {
      x: from,
      width: Math.max(LEAST_PX, place(until) - from),
      block,
      row,
      since: Date.parse(row.claimed_at),
      until,
    };
  }

  #axis(since, until, place) {
    const width = Math.max(1, Math.round(place(until)));
    return h(
      "div",
      { class: "lane axis", key: "axis" },
      h("span", { class: "lane-name" }),
      svg(
        "svg",
        { width, height: 18, "aria-hidden": "true" },
        ...moments(since, until, width)
          .filter(({ at: t }) => place(t) > 18 && place(t) < width - 40)
          .flatMap(({ at: t, words }) => [
            svg("path", { class: "tick", d: `M${Math.round(place(t))} 0v4` }),
            svg("text", { x: Math.round(place(t)), y: 15, "text-anchor": "middle" }, words),
          ]),
        svg("text", { x: width, y: 15, "text-anchor": "end" }, "now"),
      ),
    );
  }

  #said(data) {
    if (this.#marked) return describe(this.#marked);
    const cut =
      data.complete_from > data.from
        ? ` Showing the newest ${count(data.attempts)} attempts; earlier ones before ${moment(data.complete_from)} are not shown.`
        : "";
    const left = data.lanes_left_out ? ` ${plural(data.lanes_left_out, "worker")} not shown.` : "";
    return `${plural(data.attempts, "attempt")}. Attempts under ${duration(data.slot_s)} are grouped.${cut}${left}`;
  }

  #twin(lanes, base) {
    const rows = lanes.flatMap((lane) => lane.blocks.map((block) => ({ ...block, worker: lane.worker_id })));
    rows.sort((a, b) => (b.end ?? Infinity) - (a.end ?? Infinity) || b.start - a.start);
    const isOpen = this.node.querySelector("details")?.open;
    return asTable(
      isOpen,
      () => this.draw({ force: true }),
      () => [
        rows.length > MOST_ROWS &&
          h("p", { class: "quiet" }, `Showing the newest ${MOST_ROWS} of ${count(rows.length)}.`),
        table(
          "lane-rows",
          "Attempts of the workers",
          ["Worker", "Task", "Outcome", "Began", "Took"],
          rows.slice(0, MOST_ROWS).map((row) => {
            const from = new Date(base + row.start * 1000).toISOString();
            return h(
              "tr",
              { key: `${row.worker}-${row.start}` },
              cell("Worker", null, row.worker),
              cell(
                "Task",
                { class: "c-name" },
                row.task === null ? "–" : taskLink(row.task, null, { class: "id", "data-row": "" }),
                row.number > 1 && h("span", { class: "quiet" }, ` try ${row.number}`),
              ),
              cell("Outcome", null, row.kinds ? kindsText(row.kinds) : wordOf(row.kind)),
              cell("Began", { class: "c-time" }, at(from)),
              cell("Took", { class: "c-time" }, row.end === null ? elapsed(from) : duration(row.end - row.start)),
            );
          }),
        ),
      ],
    );
  }

  // ───── pointing ─────

  #point(event) {
    const bar = event.target.closest(".bar-lane");
    if (!bar) return;
    const x = event.clientX - bar.getBoundingClientRect().left;
    const blocks = this.#blocks.get(bar.parentNode.dataset.worker) ?? [];
    this.#mark(nearest(blocks, x, 3), bar.parentNode.dataset.worker);
  }

  #mark(found, worker = null) {
    this.#marked = found;
    for (const lane of this.node.querySelectorAll(".lane[data-worker]")) {
      const own = found && lane.dataset.worker === worker;
      lane.querySelector(".mark").setAttribute("d", own ? box(found.x - 1, 0.5, found.width + 2, BAR_PX - 1) : "");
    }
    const said = this.node.querySelector(".said");
    const data = source.known(this.#range);
    if (said && data) said.textContent = this.#said(data);
    this.#worker = worker;
  }

  #worker = null;

  #open() {
    const task = this.#marked?.block.task;
    if (task) this.context.go(taskPath(task));
  }

  #key(event) {
    if (!event.target.classList.contains("chart")) return;
    const workers = [...this.#blocks.keys()].filter((worker) => this.#blocks.get(worker).length);
    if (!workers.length) return;
    const worker = workers.includes(this.#worker) ? this.#worker : workers[0];
    const blocks = this.#blocks.get(worker);
    const here = blocks.indexOf(this.#marked);
    const other = (by) => workers[Math.max(0, Math.min(workers.length - 1, workers.indexOf(worker) + by))];
    const along = (by) =>
      this.#mark(blocks[here < 0 ? blocks.length - 1 : Math.max(0, Math.min(blocks.length - 1, here + by))], worker);
    const across = (by) =>
      this.#mark(nearest(this.#blocks.get(other(by)), this.#marked?.x ?? Infinity, Infinity), other(by));
    const action = {
      ArrowLeft: () => along(-1),
      ArrowRight: () => along(1),
      ArrowUp: () => across(-1),
      ArrowDown: () => across(1),
      Home: () => this.#mark(blocks[0], worker),
      End: () => this.#mark(blocks.at(-1), worker),
      Enter: () => this.#open(),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

/** Add a block to the paths of its kinds; a grouped block is divided by their shares. */
function stack(paths, block, x, width) {
  const height = block.landing ? LANDING_PX : BAR_PX;
  const kinds = block.kinds ?? { [block.kind]: 1 };
  const total = Object.values(kinds).reduce((sum, n) => sum + n, 0);
  let y = BAR_PX - height;
  for (const kind of [...KINDS].reverse()) {
    if (!kinds[kind]) continue;
    // A failure stays visible even if it is one of a hundred.
    const part = kind === "passed" ? BAR_PX - y : Math.max(4, (height * kinds[kind]) / total);
    paths[kind] += box(x, y, width > 6 ? width - 1 : width, Math.min(part, BAR_PX - y));
    y += part;
    if (y >= BAR_PX) break;
  }
}

function shade(parts, block, place) {
  for (const [role, from, to] of block.parts ?? []) {
    if (role in parts && to !== null) parts[role] += box(place(from), 0, Math.max(1, place(to) - place(from)), BAR_PX);
  }
}

function caption(running) {
  if (!running) return h("p", { class: "lane-now quiet" }, "\u00a0");
  const silent = running.progress_at && sinceSeconds(running.progress_at) > SILENT_S;
  return h(
    "p",
    { class: "lane-now" },
    taskLink(running.id, null, { class: "id" }),
    " ",
    h("span", { class: "stage" }, running.stage ?? running.status),
    " ",
    elapsed(running.claimed_at),
    silent && [" ", h("span", { class: "silent" }, elapsed(running.progress_at, "silent "))],
    h("span", { class: "line" }, running.last_line || ""),
  );
}

function nearest(blocks, x, slack) {
  /** @type {{ gap: number, one: any } | null} */
  let best = null;
  for (const one of blocks) {
    const gap = x < one.x ? one.x - x : Math.max(0, x - one.x - one.width);
    if (gap <= slack && (best === null || gap < best.gap)) best = { gap, one };
  }
  return best?.one ?? null;
}

function describe({ block, since, until, row }) {
  const times = `${moment(new Date(since).toISOString())}, ${duration((until - since) / 1000)}`;
  if (row)
    return `${block.task}: ${block.stage ?? "running"}, since ${times}. ${row.last_line ?? ""} Press Enter to open it.`;
  if (block.count > 1)
    return `${plural(block.count, "attempt")}: ${kindsText(block.kinds)} · ${times}. Press Enter to open ${block.task}.`;
  const parts = (block.parts ?? [])
    .filter(([, , to]) => to !== null)
    .map(([role, from, to]) => `${role} ${duration(to - from)}`);
  const what = block.landing ? "landing " : "";
  return `${block.task ?? "a deleted task"}, try ${block.number}: ${what}${wordOf(block.kind)} · ${times}${parts.length ? ` (${parts.join(", ")})` : ""}.`;
}

const picture = new Lanes();

/** The lanes of all workers, for a screen's `view`; `status` must be there. */
export const lanes = (context) => picture.at(context);
