// @ts-check
// The graph of dependencies: zoom, pan, and moving along its links by pointer and keyboard.

import { h, svg } from "../dom.js";
import { plural } from "../format.js";
import { taskPath } from "../pieces.js";
import { BOX, curve, drawBox, EDGE_PX, keyOf, left, neighbours, PITCH, top } from "./graphshape.js";
import { graphPath, said, twin } from "./graphwords.js";
import { drag, follow, MANY, miniMap, partOf } from "./minimap.js";
import { Picture } from "./picture.js";

const ZOOMS = [0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.5, 1.75, 2];
const READABLE = 1; // the initial zoom, at which a name is 11 px high; the rest is reached by scrolling
const DRAG_PX = 4;
const PAN_PX = 120;
class Graph extends Picture {
  /** @type {number | null} */
  #zoom = null;
  /** @type {string | null} */
  #current = null; // the key of the focused box
  /** @type {string | null} */
  #pointedAt = null;
  #dragged = false;
  /** @type {string | null} */
  #drawn = null; // what places were drawn for

  constructor() {
    super("graph");
    this.node.addEventListener("pointerdown", (event) => this.#drag(event));
    this.node.addEventListener("pointerover", (event) => this.#point(event));
    this.node.addEventListener("click", (event) => this.#click(event));
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.node.addEventListener("scroll", () => this.#followMap(), { capture: true, passive: true });
  }

  /** Colours may change under the pointer; positions wait. */
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
    if (!this.node.isConnected || this.width === 0) return;
    if (fresh) {
      if (this.#drawn?.split(" ", 1)[0] !== this.#shape().split(" ", 1)[0]) this.#begin();
      this.#drawn = this.#shape();
    }
    this.#followMap();
  }

  /** Reset the view: show it from its beginning, or around on the requested task or running work. */
  #begin() {
    const asked = Number(this.context.place.query.get("zoom"));
    this.#current = null;
    this.zoomTo(asked >= ZOOMS[0] && asked <= ZOOMS[ZOOMS.length - 1] ? asked : READABLE, { keep: false });
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

  /** The largest zoom at which everything is visible. */
  #fitting() {
    const { width, height } = this.#size;
    const fits = Math.min(1, this.width / width, Math.max(320, innerHeight * 0.64) / height);
    return Math.max(ZOOMS[0], Math.floor(fits * 100) / 100);
  }

  view() {
    const { boxes, links, critical } = this.#data;
    const { width, height } = this.#size;
    const zoom = this.#zoom ?? READABLE;
    const onWay = new Set(critical?.places);
    const steps = new Set(critical?.places.slice(1).map((place, n) => `${critical.places[n]}-${place}`));
    const current = boxes.findIndex((box) => keyOf(box) === this.#current);
    const drawing = [
      h(
        "div",
        {
          class: "scroll",
          tabindex: "0",
          role: "group",
          "aria-roledescription": "graph",
          "aria-label": `${plural(boxes.length, "box", "boxes")} and ${plural(links.length, "link")}. Arrow keys follow the links, Enter opens a task, plus and minus zoom.`,
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
          svg("g", { class: "boxes" }, ...boxes.map((box, place) => drawBox(box, onWay.has(place), place === current))),
        ),
      ),
      boxes.length >= MANY && miniMap(boxes, this.#size, this.#part),
    ];
    return [
      h("div", { class: "map-frame" }, drawing),
      h("p", { class: "said", role: this.role }, said(this.#data, this.#current ?? this.#pointedAt)),
      twin(this.#data, onWay, this.node.querySelector("details")?.open, () => this.draw({ force: true })),
    ];
  }

  // ───── zoom and pan ─────

  get #part() {
    return partOf(this.node.querySelector(".scroll"), this.#zoom ?? READABLE);
  }

  #followMap() {
    const map = this.node.querySelector(".mini-map");
    if (map) follow(map, this.#part);
  }

  /** Zoom in (1), out (-1) or to fit (0), around a point or the centre. */
  zoom(by, point = null) {
    const here = this.#zoom ?? READABLE;
    const next = by > 0 ? ZOOMS.find((zoom) => zoom > here) : ZOOMS.findLast((zoom) => zoom < here);
    this.zoomTo(by === 0 ? this.#fitting() : (next ?? here), { point });
  }

  zoomTo(zoom, { point = /** @type {{ clientX: number, clientY: number } | null} */ (null), keep = true } = {}) {
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
    this.#followMap();
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
    if (down.target.closest(".mini-map")) return drag(down, this.node.querySelector(".scroll"));
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
    if (!box && event.target.closest(".said")) return; // its links must stay clickable
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

  /** Highlight the neighbours of the box under the pointer or the focus. */
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
    const zoom = this.#zoom ?? 1;
    const near = (start, length, from, room, pitch) => {
      // From a whole row or column on, so that none is cut at the beginning.
      if (centre) return Math.max(0, Math.floor((start + length / 2 - room / 2) / pitch)) * pitch;
      return start < from ? start - EDGE_PX : start + length > from + room ? start + length - room + EDGE_PX : from;
    };
    scroll.scrollTo(
      near(left(box) * zoom, BOX.width * zoom, scroll.scrollLeft, scroll.clientWidth, PITCH.x * zoom),
      near(top(box) * zoom, BOX.height * zoom, scroll.scrollTop, scroll.clientHeight, PITCH.y * zoom),
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

  /** The nearest box: dependencies to the left, dependents to the right, the same layer up and down. */
  #beside(box, key) {
    const [before, behind] = neighbours(this.#data, box);
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

export const picture = new Graph();
