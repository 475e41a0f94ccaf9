// @ts-check
// Adding a task and editing one: a form with the usual keys of a task file; the rest stays as it is.

import { get } from "./api.js";
import { form } from "./dialogs.js";
import { h } from "./dom.js";
import { request } from "./verbs.js";

const lines = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
const ids = (text) => text.split(/[\s,]+/).filter(Boolean);

// Key of a task file, label, rows (one: a line), how its text is read, and how its value is written.
/** @type {[string, string, number, (text: string) => any, (value: any) => string][]} */
const FIELDS = [
  ["name", "Name", 1, (text) => text.trim(), String],
  ["description", "Description", 5, (text) => text, String],
  ["acceptance_criteria", "Acceptance criteria (one per line)", 3, lines, (list) => list.join("\n")],
  ["dependencies", "Depends on (ids)", 1, ids, (list) => list.join(" ")],
  ["files", "Files (one per line)", 2, lines, (list) => list.join("\n")],
  ["phase", "Phase", 1, (text) => text.trim(), String],
  [
    "priority",
    "Priority (critical, high, medium, low or a number)",
    1,
    (text) => (/^\d+$/.test(text.trim()) ? Number(text) : text.trim()),
    String,
  ],
  ["estimated_hours", "Estimated hours", 1, (text) => Number(text.replace(",", ".")), String],
];

const isEmpty = (value) =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && !value.length);

/** The values of the keys that a form has changed, null where one was emptied. `before`: the definition. */
export function changes(before, texts) {
  const set = {};
  const was = {};
  for (const [key, , , read, write] of FIELDS) {
    const text = texts[key] ?? "";
    const old = isEmpty(before[key]) ? "" : write(before[key]);
    if (text.trim() === old.trim()) continue;
    const value = text.trim() ? read(text) : null;
    set[key] = isEmpty(value) ? null : value;
    was[key] = isEmpty(before[key]) ? null : before[key];
  }
  return { set, was };
}

function fields(before) {
  return FIELDS.map(([key, label, rows, , write]) => {
    const field = h(rows > 1 ? "textarea" : "input", {
      name: key,
      rows: rows > 1 ? rows : null,
      autocomplete: "off",
      required: key === "name",
    });
    field.value = isEmpty(before[key]) ? "" : write(before[key]);
    return h("label", { key }, label, field);
  });
}

/** Ask for a new task, and request it. */
export async function addTask(phase = "") {
  const content = [
    h(
      "label",
      null,
      "Id (made from the name if empty)",
      h("input", { name: "id", autocomplete: "off", maxlength: 200 }),
    ),
    ...fields({ phase }),
    h("label", { class: "line" }, h("input", { type: "checkbox", name: "hold" }), "Hold it until I release it"),
  ];
  const texts = await form({ title: "Add a task", content, yes: "Add" });
  if (!texts) return;
  const { set } = changes({}, texts);
  const task = Object.fromEntries(
    Object.entries({ id: texts.id?.trim(), ...set }).filter(([, value]) => !isEmpty(value)),
  );
  await request("Add a task:", "/api/tasks", { task, ...(texts.hold && { hold: true }) });
}

/** Edit the definition of a task, and request the change. */
export async function editTask(id) {
  const path = `/api/tasks/${encodeURIComponent(id)}`;
  const { definition } = await get(path);
  const texts = await form({ title: `Edit ${id}`, content: fields(definition), yes: "Save" });
  if (!texts) return;
  const { set, was } = changes(definition, texts);
  if (!Object.keys(set).length) return;
  const back = () => request(`Edit ${id}:`, `${path}/edit`, { set: was, was: set });
  await request(`Edit ${id}:`, `${path}/edit`, { set, was }, back);
}
