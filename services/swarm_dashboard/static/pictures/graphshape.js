// @ts-check
// The shapes of the graph's boxes and links; the server sends positions in units of one box.

import { svg } from "../dom.js";
import { percent, plural } from "../format.js";
import { icon } from "../pieces.js";
import { box as outline } from "./plot.js";

export const BOX = { width: 176, height: 40 };
export const PITCH = { x: BOX.width + 54, y: BOX.height + 10 };
export const EDGE_PX = 14;
const ID_CHARS = 19;
const NAME_CHARS = 26;
const SHOWN_GROUPS = ["completed", "in_progress", "failed", "held", "not_started", "cancelled"];

/** A box with its status, its name, and for a phase its shares. */
export function drawBox(box, isOnWay, isCurrent) {
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

export const keyOf = (box) => box.id ?? `phase ${box.phase}`;
export const left = (box) => box.column * PITCH.x + EDGE_PX;
export const top = (box) => box.row * PITCH.y + EDGE_PX;
const cut = (text, chars) => (text.length > chars ? `${text.slice(0, chars - 1)}…` : text);
/** The progress of a phase, as a strip along the lower edge of its box. */
function shares(box) {
  let from = 8;
  return SHOWN_GROUPS.filter((group) => box.groups[group]).map((group) => {
    const width = ((BOX.width - 16) * box.groups[group]) / box.tasks;
    from += width;
    return svg("path", { class: "share", "data-group": group, d: outline(from - width, BOX.height - 6, width, 3) });
  });
}

/** From the right side of one box to the left side of another, through the rows that are free in between. */
export function curve(from, to, bends) {
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

/** What a box needs, and what needs it. */
export function neighbours({ boxes, links }, box) {
  const here = boxes.indexOf(box);
  return [
    links.filter(([, b]) => b === here).map(([a]) => boxes[a]),
    links.filter(([a]) => a === here).map(([, b]) => boxes[b]),
  ];
}
