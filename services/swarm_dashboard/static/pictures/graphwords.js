// @ts-check
// The graph in words: the focused box, the critical path, and a table of everything.

import { h } from "../dom.js";
import { count, duration, groupWord, hours, plural, statusWord } from "../format.js";
import { asTable, badge, cell, icon, table, taskLink } from "../pieces.js";
import { keyOf, neighbours } from "./graphshape.js";

const MOST_ROWS = 200;
const MOST_NAMED = 6;

export const graphPath = (parameters) => `/graph?${new URLSearchParams(parameters)}`;

const groupsTold = (box) =>
  Object.entries(box.groups)
    .map(([group, n]) => `${count(n)} ${groupWord(group)}`)
    .join(", ");

/** One line about a box, or without one about the critical path. */
export function said(data, key) {
  const box = data.boxes.find((one) => keyOf(one) === key);
  if (!box) return waySaid(data);
  if (box.tasks !== undefined)
    return [
      h("strong", null, box.name),
      ` · ${plural(box.tasks, "task")}: ${groupsTold(box)}. Press Enter to show them.`,
    ];
  const [before, behind] = neighbours(data, box);
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
    h("a", { href: graphPath({ task: box.id, depth: 2 }) }, "show its neighbors"),
  ];
}

function waySaid(data) {
  const { critical, boxes } = data;
  if (!critical) return "Each box is a phase. Click it or press Enter to show its tasks.";
  if (!critical.places.length) return "Everything shown is done.";
  const [first, last] = [boxes[critical.places[0]].id, boxes[critical.places.at(-1)].id];
  const way =
    first === last
      ? `Critical path (bold): ${first}`
      : `Critical path (bold): ${plural(critical.places.length, "task")}, ${first} … ${last}`;
  const guessed = critical.usual_is_measured
    ? ` (tasks without an estimate count as ${duration(critical.usual_s)}, the recent average)`
    : " (tasks without an estimate count as an hour)";
  const basis = critical.places.some((place) => boxes[place].hours === null) ? guessed : "";
  return `${way}, about ${duration(critical.seconds)} at best${basis}.`;
}

/** Everything as a table; built while it `isOpen`. `toggled`: called when it is opened or closed. */
export function twin(data, onWay, isOpen, toggled) {
  const { boxes } = data;
  const isPhases = boxes[0]?.tasks !== undefined;
  const words = (found, more) =>
    found
      .slice(0, MOST_NAMED)
      .map((one) => one.id ?? one.name)
      .join(", ") + (found.length > MOST_NAMED || more ? ", …" : "") || "–";
  return asTable(isOpen, toggled, () => [
    boxes.length > MOST_ROWS && h("p", { class: "quiet" }, `Showing the first ${MOST_ROWS} of ${count(boxes.length)}.`),
    table(
      "graph-rows",
      "Boxes of the graph",
      ["Status", isPhases ? "Phase" : "Task", "Needs", "Needed by", "Critical"],
      boxes.slice(0, MOST_ROWS).map((box, place) => {
        const [before, behind] = neighbours(data, box);
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
  ]);
}
