// @ts-check
// The graph of dependencies: boxes in layers, what is needed on the left of what needs it; places come from the server.

import { h, svg } from "../dom.js";
import { count, duration, groupWord, hours, percent, plural, statusWord } from "../format.js";
import { badge, cell, icon, table, taskLink, taskPath } from "../pieces.js";
import { Picture } from "./picture.js";
import { box as outline } from "./plot.js";

const BOX = { width: 176, height: 40 };
const PITCH = { x: BOX.width + 54, y: BOX.height + 10 };
const EDGE_PX = 14;
const ID_CHARS = 19;
const NAME_CHARS = 26;
const ZOOMS = [0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.5, 1.75, 2];
const READABLE = 0.8; // a first look is never smaller: the rest is scrolled to
const DRAG_PX = 4;
const PAN_PX = 120;
const MOST_ROWS = 200;
const MOST_NAMED = 6;
const SHOWN_GROUPS = ["completed", "in_progress", "failed", "held", "not_started", "cancelled"];

export const graphPath = (parameters) => `/graph?${new URLSearchParams(parameters)}`;

class Graph extends Picture {
  #zoom = null;
  #current = null; // the key of the box that the keyboard is on
  #pointedAt = null;
  #dragged = false;
  #drawn = null; // what places were drawn for

  constructor() {
    super("graph");
    this.node.addEventListener("pointerdown", (event) => this.#drag(event));
    this.node.addEventListener("pointerover", (event) => this.#point(event));
    this.node.addEventListener("click", (event) => this.#click(event));
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** A change of colours may be shown under the pointer; a change of places waits. */
  get isVisited() {
    return super.isVisited && this.#drawn !== null && this.#drawn !== this.#shape();
  }

  get #data() {
    return this.context.data;
  }

  #shape() {
    return `${this.context.place.query} ${this.#data.boxes.map(keyOf).join(" ")} ${this.#data.links.length}`;
  }

  draw(how) {
    const fresh = this.context && this.#drawn !== this.#shape();
    super.draw(how);
    if (!fresh || !this.node.isConnected || this.width === 0) return;
    if (this.#drawn?.split(" ", 1)[0] !== this.#shape().split(" ", 1)[0]) this.#begin();
    this.#drawn = this.#shape();
  }

  /** Another cutting: as large as fits, at the task that was asked for, or where work is. */
  #begin() {
    const asked = Number(this.context.place.query.get("zoom"));
    this.#current = null;
    this.zoomTo(asked >= ZOOMS[0] && asked <= ZOOMS.at(-1) ? asked : this.#first(), { keep: false });
    const wanted = this.context.place.query.get("task");
    const { boxes, critical } = this.#data;
    const box =
      boxes.find((one) => one.id === wanted) ??
      boxes.find((one) => one.group === "in_progress") ??
      boxes[critical?.places[0]];
    if (box) this.#reveal(box, { centre: true });
  }

  get #size() {
    const { boxes } = this.#data;
    const most = (name) => Math.max(0, ...boxes.map((box) => box[name]));
    return {
      width: most("column") * PITCH.x + BOX.width + 2 * EDGE_PX,
      height: most("row") * PITCH.y + BOX.height + 2 * EDGE_PX,
    };
  }

  /** The largest at which all of it is seen at once. */
  #fitting() {
    const { width, height } = this.#size;
    const fits = Math.min(1, this.width / width, Math.max(320, innerHeight * 0.64) / height);
    return Math.max(ZOOMS[0], Math.floor(fits * 100) / 100);
  }

  #first() {
    return Math.max(READABLE, this.#fitting());
  }

  view() {
    const { boxes, links, critical } = this.#data;
    const { width, height } = this.#size;
    const zoom = this.#zoom ?? this.#first();
    const onWay = new Set(critical?.places);
    const steps = new Set(critical?.places.slice(1).map((place, n) => `${critical.places[n]}-${place}`));
    const current = boxes.findIndex((box) => keyOf(box) === this.#current);
    return [
      h(
        "div",
        {
          class: "scroll",
          tabindex: "0",
          role: "group",
          "aria-roledescription": "graph",
          "aria-label": `${plural(boxes.length, "box", "boxes")} and ${plural(links.length, "link")}. Arrow keys go along the links, Enter opens, plus and minus zoom.`,
        },
        svg(
          "svg",
          { width: width * zoom, height: height * zoom, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
          svg(
            "defs",
            {},
            svg(
              "marker",
              {
                id: "arrow",
                viewBox: "0 0 8 8",
                refX: 7,
                refY: 4,
                markerWidth: 9,
                markerHeight: 9,
                markerUnits: "userSpaceOnUse",
                orient: "auto-start-reverse",
              },
              svg("path", { d: "M0 .8 7 4 0 7.2z", class: "arrow" }),
            ),
            svg("clipPath", { id: "in-box" }, svg("rect", { width: BOX.width - 6, height: BOX.height })),
          ),
          svg(
            "g",
            { class: "links" },
            ...links.map(([a, b, bends]) =>
              svg("path", {
                "data-key": `${a}-${b}`,
                d: curve(boxes[a], boxes[b], bends),
                "marker-end": "url(#arrow)",
                class: `link${steps.has(`${a}-${b}`) ? " critical" : ""}${a === current || b === current ? " near" : ""}${boxes[a].group === "completed" ? " done" : ""}`,
              }),
            ),
          ),
          svg(
            "g",
            { class: "boxes" },
            ...boxes.map((box, place) => this.#box(box, onWay.has(place), place === current)),
          ),
        ),
      ),
      h("p", { class: "said", role: "status" }, this.#said()),
      this.#twin(onWay),
    ];
  }

  #box(box, isOnWay, isCurrent) {
    const isPhase = box.tasks !== undefined;
    const second = isPhase
      ? `${plural(box.tasks, "task")} · ${percent((box.groups.completed ?? 0) / box.tasks)} done`
      : cut(box.name, NAME_CHARS);
    return svg(
      "g",
      {
        class: `box${isOnWay ? " critical" : ""}${isCurrent ? " current" : ""}`,
        "data-key": keyOf(box),
        "data-group": box.group,
        transform: `translate(${left(box)} ${top(box)})`,
      },
      svg("rect", { width: BOX.width, height: BOX.height, rx: 7 }),
      box.needs_more ? svg("path", { class: "more", d: "M-7 5l-4 4 4 4" }) : "",
      box.frees_more ? svg("path", { class: "more", d: `M${BOX.width + 7} 5l4 4-4 4` }) : "",
      svg(
        "g",
        { "clip-path": "url(#in-box)" },
        svg("svg", { x: 8, y: 5, width: 13, height: 13, class: "mark-of" }, icon(isPhase ? box.group : box.status)),
        svg("text", { x: 26, y: 16, class: "key" }, cut(box.id ?? box.name, ID_CHARS)),
        svg("text", { x: 9, y: 31, class: "name" }, second),
      ),
      ...(isPhase ? shares(box) : []),
    );
  }

  #said() {
    const box = this.#data.boxes.find((one) => keyOf(one) === (this.#current ?? this.#pointedAt));
    if (!box) return this.#waySaid();
    if (box.tasks !== undefined)
      return [h("strong", null, box.name), ` · ${plural(box.tasks, "task")}: ${groupsTold(box)}. Enter shows them.`];
    const [before, behind] = this.#neighbours(box);
    const named = (boxes, more) =>
      boxes.length
        ? boxes
            .slice(0, MOST_NAMED)
            .map((one) => one.id)
            .join(", ") + (boxes.length > MOST_NAMED || more ? ", …" : "")
        : more
          ? "others"
          : "nothing";
    return [
      taskLink(box.id, null, { class: "id" }),
      ` ${box.name} · ${box.stage ?? statusWord(box.status)}${box.hours ? ` · ${hours(box.hours)} estimated` : ""}` +
        ` · needs ${named(before, box.needs_more)} · needed by ${named(behind, box.frees_more)} · `,
      h("a", { href: graphPath({ task: box.id, depth: 2 }) }, "what is around it"),
    ];
  }

  #waySaid() {
    const { critical, boxes } = this.#data;
    if (!critical) return "A box is a phase; Enter or a click shows its tasks.";
    if (!critical.places.length) return "Of what is shown nothing is left to do.";
    const [first, last] = [boxes[critical.places[0]].id, boxes[critical.places.at(-1)].id];
    const way =
      first === last
        ? `The bold box is critical: ${first}`
        : `The bold way is critical: ${plural(critical.places.length, "task")}, one after the other, ${first} … ${last}`;
    const guessed = critical.usual_is_measured
      ? ` (without an estimate: ${duration(critical.usual_s)}, as recent passes took)`
      : " (without an estimate: an hour)";
    const basis = critical.places.some((place) => boxes[place].hours === null) ? guessed : "";
    return `${way}, about ${duration(critical.seconds)} however many workers there are${basis}.`;
  }

  #twin(onWay) {
    const { boxes } = this.#data;
    const isOpen = this.node.querySelector("details")?.open;
    const isPhases = boxes[0]?.tasks !== undefined;
    const words = (found, more) =>
      found
        .slice(0, MOST_NAMED)
        .map((one) => one.id ?? one.name)
        .join(", ") + (found.length > MOST_NAMED || more ? ", …" : "") || "–";
    return h(
      "details",
      { class: "twin", ontoggle: () => this.draw({ force: true }) },
      h("summary", null, "As a table"),
      isOpen && [
        boxes.length > MOST_ROWS && h("p", { class: "quiet" }, `The first ${MOST_ROWS} of ${count(boxes.length)}.`),
        table(
          "graph-rows",
          ["Status", isPhases ? "Phase" : "Task", "Needs", "Needed by", "Critical"],
          boxes.slice(0, MOST_ROWS).map((box, place) => {
            const [before, behind] = this.#neighbours(box);
            return h(
              "tr",
              { key: keyOf(box) },
              cell(
                "Status",
                { class: "c-status" },
                isPhases
                  ? h("span", { class: "badge", "data-group": box.group }, icon(box.group), groupWord(box.group))
                  : badge(box),
              ),
              cell(
                "Task",
                { class: "c-name" },
                isPhases
                  ? h("a", { href: graphPath({ phase: box.phase }), "data-row": "" }, box.name)
                  : [taskLink(box.id, null, { class: "id", "data-row": "" }), " ", box.name],
              ),
              cell("Needs", null, words(before, box.needs_more)),
              cell("Needed by", null, words(behind, box.frees_more)),
              cell("Critical", null, onWay.has(place) ? "yes" : "–"),
            );
          }),
        ),
      ],
    );
  }

  #neighbours(box) {
    const { boxes, links } = this.#data;
    const here = boxes.indexOf(box);
    return [
      links.filter(([, b]) => b === here).map(([a]) => boxes[a]),
      links.filter(([a]) => a === here).map(([, b]) => boxes[b]),
    ];
  }

  // ───── zoom and pan ─────

  /** One step larger (1) or smaller (-1), or whole (0), around a point of the window or the middle. */
  zoom(by, point = null) {
    const here = this.#zoom ?? this.#first();
    const next = by > 0 ? ZOOMS.find((zoom) => zoom > here) : ZOOMS.findLast((zoom) => zoom < here);
    this.zoomTo(by === 0 ? this.#fitting() : (next ?? here), { point });
  }

  zoomTo(zoom, { point = null, keep = true } = {}) {
    const scroll = this.node.querySelector(".scroll");
    if (!scroll) return;
    const frame = scroll.getBoundingClientRect();
    const [x, y] = point
      ? [point.clientX - frame.left, point.clientY - frame.top]
      : [scroll.clientWidth / 2, scroll.clientHeight / 2];
    const change = zoom / (this.#zoom ?? zoom);
    const to = [(scroll.scrollLeft + x) * change - x, (scroll.scrollTop + y) * change - y];
    this.#zoom = zoom;
    const { width, height } = this.#size;
    const drawing = scroll.firstChild;
    drawing.setAttribute("width", width * zoom);
    drawing.setAttribute("height", height * zoom);
    scroll.scrollTo(...to);
    if (!keep) return;
    const address = new URL(location.href);
    address.searchParams.set("zoom", zoom);
    history.replaceState(history.state, "", address);
  }

  #wheel(event) {
    if (!(event.ctrlKey || event.metaKey) || !event.target.closest(".scroll")) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1 : -1, event);
  }

  #drag(down) {
    const scroll = down.target.closest(".scroll");
    this.#dragged = false;
    if (!scroll || down.pointerType !== "mouse" || down.button !== 0) return;
    const from = [scroll.scrollLeft, scroll.scrollTop];
    const move = (event) => {
      const [x, y] = [event.clientX - down.clientX, event.clientY - down.clientY];
      if (Math.hypot(x, y) > DRAG_PX) this.#dragged = true;
      if (this.#dragged) scroll.scrollTo(from[0] - x, from[1] - y);
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  // ───── boxes ─────

  #boxAt(event) {
    const key = event.target.closest?.(".box")?.dataset.key;
    return this.#data?.boxes.find((box) => keyOf(box) === key);
  }

  #point(event) {
    const box = this.#boxAt(event);
    if (!box && event.target.closest(".said")) return; // its links are on their way to be clicked
    this.#pointedAt = box ? keyOf(box) : null;
    if (box) this.#current = null;
    super.draw({ force: true });
  }

  #click(event) {
    const box = this.#boxAt(event);
    if (box && !this.#dragged) this.#open(box);
  }

  #open(box) {
    this.context.go(box.tasks === undefined ? taskPath(box.id) : graphPath({ phase: box.phase }));
  }

  /** Show what is around the box that the keyboard or the pointer is on. */
  around() {
    const box = this.#data?.boxes.find((one) => keyOf(one) === (this.#current ?? this.#pointedAt));
    if (box)
      this.context.go(
        box.tasks === undefined ? graphPath({ task: box.id, depth: 2 }) : graphPath({ phase: box.phase }),
      );
  }

  toCritical() {
    const box = this.#data?.boxes[this.#data.critical?.places[0]];
    if (box) this.#enter(box);
  }

  #enter(box) {
    this.#current = keyOf(box);
    this.node.querySelector(".scroll").focus({ preventScroll: true });
    super.draw({ force: true });
    this.#reveal(box);
  }

  #reveal(box, { centre = false } = {}) {
    const scroll = this.node.querySelector(".scroll");
    const zoom = this.#zoom;
    const near = (start, length, from, room) => {
      if (centre) return start + length / 2 - room / 2;
      return start < from ? start - EDGE_PX : start + length > from + room ? start + length - room + EDGE_PX : from;
    };
    scroll.scrollTo(
      near(left(box) * zoom, BOX.width * zoom, scroll.scrollLeft, scroll.clientWidth),
      near(top(box) * zoom, BOX.height * zoom, scroll.scrollTop, scroll.clientHeight),
    );
  }

  #key(event) {
    if (!event.target.classList.contains("scroll")) return;
    const { boxes, critical } = this.#data;
    const scroll = event.target;
    const box = boxes.find((one) => keyOf(one) === this.#current);
    if (event.shiftKey && event.key.startsWith("Arrow")) {
      const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      scroll.scrollBy(x * PAN_PX, y * PAN_PX);
    } else if (event.key === "Enter" && box) this.#open(box);
    else if (event.key.startsWith("Arrow")) {
      const next = box ? this.#beside(box, event.key) : boxes[critical?.places[0] ?? 0];
      if (next) this.#enter(next);
    } else return;
    event.preventDefault();
  }

  /** To the left what it needs, to the right what needs it, up and down within its layer: the nearest. */
  #beside(box, key) {
    const [before, behind] = this.#neighbours(box);
    const column = this.#data.boxes.filter((one) => one.column === box.column && one !== box);
    const found = {
      ArrowLeft: before,
      ArrowRight: behind,
      ArrowUp: column.filter((one) => one.row < box.row),
      ArrowDown: column.filter((one) => one.row > box.row),
    }[key];
    return found.sort((a, b) => Math.abs(a.row - box.row) - Math.abs(b.row - box.row))[0];
  }
}

const keyOf = (box) => box.id ?? `phase ${box.phase}`;
const left = (box) => box.column * PITCH.x + EDGE_PX;
const top = (box) => box.row * PITCH.y + EDGE_PX;
const cut = (text, chars) => (text.length > chars ? `${text.slice(0, chars - 1)}…` : text);
const groupsTold = (box) =>
  Object.entries(box.groups)
    .map(([group, n]) => `${count(n)} ${groupWord(group)}`)
    .join(", ");

/** How a phase stands, as a strip along the lower edge of its box. */
function shares(box) {
  let from = 8;
  return SHOWN_GROUPS.filter((group) => box.groups[group]).map((group) => {
    const width = ((BOX.width - 16) * box.groups[group]) / box.tasks;
    from += width;
    return svg("path", { class: "share", "data-group": group, d: outline(from - width, BOX.height - 6, width, 3) });
  });
}

/** From the right side of one box to the left side of another, through the rows that are free in between. */
function curve(from, to, bends) {
  const forward = from.column < to.column;
  const start = [left(from) + (forward ? BOX.width : 0), top(from) + BOX.height / 2];
  const end = [left(to) - (forward ? 2 : -BOX.width - 2), top(to) + BOX.height / 2];
  let path = `M${start[0]} ${start[1]}`;
  let [x, y] = start;
  const on = (toX, toY) => {
    const middle = (toX - x) / 2;
    path += `C${x + middle} ${y} ${toX - middle} ${toY} ${toX} ${toY}`;
    [x, y] = [toX, toY];
  };
  bends.forEach((row, n) => {
    const column = (from.column + n + 1) * PITCH.x + EDGE_PX;
    const height = row * PITCH.y + EDGE_PX + BOX.height / 2;
    on(column, height);
    path += `H${column + BOX.width}`;
    x = column + BOX.width;
  });
  on(...end);
  return path;
}

export const picture = new Graph();
