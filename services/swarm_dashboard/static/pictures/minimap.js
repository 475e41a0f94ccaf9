// @ts-check
// The mini-map of a large graph: all of it in one corner, with the part that is in view, which a pointer moves.

import { h, svg } from "../dom.js";
import { BOX, left, top } from "./graphshape.js";

export const MANY = 200; // boxes from which on a graph has one
const LONGEST_PX = 190;
const SHORTEST_PX = 56; // a graph of one row must still be hit
const LEAST_BOX_PX = 2.2;

/**
 * Its size on the screen: in the shape of the graph, unless that is too thin to be used.
 * @param {{ width: number, height: number }} whole
 */
export function sizeOf({ width, height }) {
  const scale = LONGEST_PX / Math.max(width, height);
  return { width: Math.max(SHORTEST_PX, width * scale), height: Math.max(SHORTEST_PX, height * scale) };
}

/** All boxes of a group as one path, each at least as large as can be seen. */
export function outlines(boxes, whole, size) {
  const width = Math.max(BOX.width, (LEAST_BOX_PX * whole.width) / size.width);
  const height = Math.max(BOX.height, (LEAST_BOX_PX * whole.height) / size.height);
  return boxes.map((box) => `M${left(box)} ${top(box)}h${width}v${height}h${-width}z`).join("");
}

/**
 * The part of the graph that is in view, in its units; null when all of it is, or before it is drawn.
 * @param {Element | null} scroll
 */
export function partOf(scroll, zoom) {
  if (!scroll || (scroll.scrollWidth <= scroll.clientWidth && scroll.scrollHeight <= scroll.clientHeight)) return null;
  const { scrollLeft: x, scrollTop: y, clientWidth: width, clientHeight: height } = scroll;
  return { x: x / zoom, y: y / zoom, width: width / zoom, height: height / zoom };
}

/** The map, which a screen reader does not need: the arrow keys move through the graph. */
export function miniMap(boxes, whole, part) {
  const size = sizeOf(whole);
  const groups = [...new Set(boxes.map((box) => box.group))];
  return h(
    "div",
    { class: "mini-map", "aria-hidden": "true", "data-fits": !part, title: "The whole graph: click or drag to move" },
    svg(
      "svg",
      { ...size, viewBox: `0 0 ${whole.width} ${whole.height}`, preserveAspectRatio: "none" },
      ...groups.map((group) =>
        svg("path", {
          "data-group": group,
          d: outlines(
            boxes.filter((box) => box.group === group),
            whole,
            size,
          ),
        }),
      ),
      svg("rect", { class: "in-view", "vector-effect": "non-scaling-stroke", ...part }),
    ),
  );
}

/** Show another part as in view. @param {Element} map */
export function follow(map, part) {
  map.toggleAttribute("data-fits", !part);
  for (const [name, value] of Object.entries(part ?? {})) map.querySelector("rect")?.setAttribute(name, String(value));
}

/** Bring what is under the pointer to the centre, as long as it is down. @param {PointerEvent} down */
export function drag(down, scroll) {
  const picture = /** @type {HTMLElement} */ (down.target).closest("svg");
  if (!picture || down.button !== 0) return;
  down.preventDefault();
  const move = (event) => {
    const frame = picture.getBoundingClientRect();
    const [x, y] = [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
    scroll.scrollTo(x * scroll.scrollWidth - scroll.clientWidth / 2, y * scroll.scrollHeight - scroll.clientHeight / 2);
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
  };
  move(down);
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}
