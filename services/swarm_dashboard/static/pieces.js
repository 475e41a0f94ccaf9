// @ts-check
// Small parts that several screens show: status badges, times, links to tasks, empty states.

import { h, svg } from "./dom.js";
import { duration, moment, sinceSeconds, statusWord } from "./format.js";

const SHAPES = {
  not_started: [["circle", { cx: 8, cy: 8, r: 5.6 }]],
  blocked: [["circle", { cx: 8, cy: 8, r: 5.6, "stroke-dasharray": "2.4 2" }]],
  waiting_files: [
    ["circle", { cx: 8, cy: 8, r: 5.6, "stroke-dasharray": "2.4 2" }],
    ["path", { d: "M8 5.2v5.6" }],
  ],
  scheduled: [
    ["circle", { cx: 8, cy: 8, r: 5.6 }],
    ["path", { d: "M8 4.8V8l2.2 1.4" }],
  ],
  in_progress: [
    ["circle", { cx: 8, cy: 8, r: 5.6, class: "faint" }],
    ["path", { d: "M8 2.4a5.6 5.6 0 0 1 5.6 5.6" }],
  ],
  completed: [
    ["circle", { cx: 8, cy: 8, r: 6.2, class: "full" }],
    ["path", { d: "m5.2 8.2 2 2 3.7-4", class: "cut" }],
  ],
  failed: [
    ["circle", { cx: 8, cy: 8, r: 6.2, class: "full" }],
    ["path", { d: "m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4", class: "cut" }],
  ],
  held: [
    ["path", { d: "M8 1.9 14.6 13.6H1.4z", class: "full" }],
    ["path", { d: "M8 6.2v3.4m0 1.8v.1", class: "cut" }],
  ],
  cancelled: [
    ["circle", { cx: 8, cy: 8, r: 5.6 }],
    ["path", { d: "m4.2 11.8 7.6-7.6" }],
  ],
  copy: [
    ["rect", { x: 5.5, y: 5.5, width: 8, height: 8, rx: 1.5 }],
    ["path", { d: "M3.5 10.5a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1" }],
  ],
  copied: [["path", { d: "m3 8.5 3.2 3.2L13 4.8" }]],
};
const SAME = { claimed: "in_progress", approved: "completed", landing: "in_progress" };

export function icon(status) {
  const shapes = SHAPES[status] ?? SHAPES[SAME[status]] ?? SHAPES.not_started;
  return svg(
    "svg",
    { viewBox: "0 0 16 16", class: `icon ${status === "in_progress" ? "turning" : ""}`, "aria-hidden": "true" },
    ...shapes.map(([tag, attributes]) => svg(tag, attributes)),
  );
}

/** Status by icon, word and colour. */
export function badge(row) {
  const word = row.stage && row.group === "in_progress" ? row.stage : statusWord(row.status);
  return h("span", { class: "badge", "data-group": row.group, "data-status": row.status }, icon(row.status), word);
}

/** The path of a task's screen; an id may contain any character. */
export const taskPath = (id) => `/tasks/${encodeURIComponent(id)}`;
export const taskLink = (id, text, properties) => h("a", { href: taskPath(id), ...properties }, text ?? id);

/** A task's id as its row's link, followed by its name. */
export const taskName = (row, title = null) => [
  taskLink(row.id, null, { class: "id", "data-row": "" }),
  " ",
  h("span", { title }, row.name),
];

/** A running duration, updated every second. */
export function elapsed(since, prefix = "") {
  if (!since) return "–";
  return h(
    "time",
    { datetime: since, "data-since": since, "data-prefix": prefix, title: moment(since) },
    prefix + duration(sinceSeconds(since)),
  );
}

export const at = (iso) => (iso ? h("time", { datetime: iso, title: iso }, moment(iso)) : "–");

export function tickTimes() {
  for (const found of document.querySelectorAll("time[data-since]")) {
    const node = /** @type {HTMLElement} */ (found);
    const text = node.dataset.prefix + duration(sinceSeconds(node.dataset.since));
    if (node.textContent !== text) node.textContent = text;
  }
}

export const empty = (...content) => h("p", { class: "empty" }, ...content);

/** A command to type in a terminal, with a button that copies it. */
export const command = (text) =>
  h("span", { class: "copies" }, h("code", { class: "command" }, text), copyButton(text));

/** A small button that copies a text to the clipboard. */
export function copyButton(text) {
  const button = h(
    "button",
    { type: "button", class: "plain copy", "aria-label": `Copy ${text}`, title: "Copy" },
    icon("copy"),
  );
  button.onclick = async () => {
    await navigator.clipboard.writeText(text);
    button.replaceChildren(icon("copied"));
    setTimeout(() => button.replaceChildren(icon("copy")), 1_200);
  };
  return button;
}

/** The table version of a picture, built only while it `isOpen`; `toggled` redraws. */
export function asTable(isOpen, toggled, content) {
  return h("details", { class: "twin", ontoggle: toggled }, h("summary", null, "As a table"), isOpen && content());
}

/**
 * A table that becomes cards on a narrow screen; each cell carries its heading.
 * @param {string} name its class
 * @param {string} label what a screen reader calls it
 * @param {any[]} headings an empty one is that of the buttons
 */
export function table(name, label, headings, rows) {
  return h(
    "table",
    { class: `list ${name}`, "aria-label": label },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        headings.map((one) =>
          one?.content
            ? h("th", { scope: "col", "aria-sort": one.sort, class: one.class }, one.content)
            : h("th", { scope: "col" }, one || h("span", { class: "unseen" }, "Actions")),
        ),
      ),
    ),
    h("tbody", { "data-calm": "" }, rows),
  );
}

const NOTHING = "–";

export const cell = (heading, properties, ...content) =>
  h(
    "td",
    { "data-heading": heading, "data-none": content.length === 1 && content[0] === NOTHING, ...properties },
    ...content,
  );

/** A field for a priority: the names, or any whole number. */
export function priorityField(value) {
  const field = h("input", { list: "priorities", autocomplete: "off" });
  field.value = value;
  return h(
    "p",
    null,
    h("label", null, "Priority ", field),
    h(
      "datalist",
      { id: "priorities" },
      ["critical", "high", "medium", "low"].map((word) => h("option", { value: word })),
    ),
  );
}
