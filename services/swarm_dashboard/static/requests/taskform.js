// @ts-check
// Adding a task and editing one: a form with the usual keys of a task file; the rest stays as it is.

import { get } from "../api.js";
import { h } from "../dom.js";
import { form } from "./dialogs.js";
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

/** What was typed before the id that is being typed, and that id. @returns {[string, string]} */
export function lastWord(text) {
  const word = /[^\s,]*$/.exec(text)?.[0] ?? "";
  return [text.slice(0, text.length - word.length), word];
}

const MOST_OFFERED = 12;
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

/** `texts`: of the fields that hold something else than the definition. */
function fields(before, texts) {
  const known = h("datalist", { id: "known-ids" });
  const made = FIELDS.map(([key, label, rows, , write]) => {
    const field = h(rows > 1 ? "textarea" : "input", {
      name: key,
      rows: rows > 1 ? rows : null,
      autocomplete: "off",
      required: key === "name",
    });
    field.value = texts[key] ?? (isEmpty(before[key]) ? "" : write(before[key]));
    if (key === "dependencies") offerIds(field, known);
    return h("label", { key }, label, field);
  });
  return [...made, known];
}

/** Offer tasks whose id or name matches the last word. @param {HTMLInputElement} field @param {HTMLElement} list */
function offerIds(field, list) {
  let asked = new AbortController();
  field.setAttribute("list", list.id);
  field.placeholder = "Type a part of an id or a name; a comma before the next one";
  const offer = async () => {
    const [before, word] = lastWord(field.value);
    asked.abort();
    asked = new AbortController();
    try {
      const { tasks } = await get("/api/tasks", { q: word, limit: MOST_OFFERED }, asked.signal);
      list.replaceChildren(
        ...tasks.map((task) => h("option", { value: before + task.id, label: `${task.id} ${task.name}` })),
      );
    } catch {
      // What is typed may be no valid search yet; there is nothing to offer then.
    }
  };
  field.addEventListener("focus", offer);
  field.addEventListener("input", (event) => {
    // An offered id was chosen: the next one may follow at once.
    if (/** @type {InputEvent} */ (event).inputType === "insertReplacementText") field.value += ", ";
    offer();
  });
}

/** Ask for a new task, and request it. `texts`: what was typed before, after a refusal. */
export async function addTask(phase = "", /** @type {Record<string, any>} */ texts = {}) {
  const id = h("input", { name: "id", autocomplete: "off", maxlength: 200 });
  id.value = texts.id ?? "";
  const hold = h("input", { type: "checkbox", name: "hold", checked: Boolean(texts.hold) });
  const content = [
    h("label", null, "Id (made from the name if empty)", id),
    ...fields({ phase }, texts),
    h("label", { class: "line" }, hold, "Hold it until I release it"),
  ];
  const typed = await form({ title: "Add a task", content, yes: "Add" });
  if (!typed) return;
  const { set } = changes({}, typed);
  const task = Object.fromEntries(
    Object.entries({ id: typed.id?.trim(), ...set }).filter(([, value]) => !isEmpty(value)),
  );
  const body = { task, ...(typed.hold && { hold: true }) };
  await request("Add a task:", "/api/tasks", body, null, () => addTask(phase, typed));
}

/** Edit the definition of a task, and request the change. `texts`: what was typed before, after a refusal. */
export async function editTask(id, /** @type {Record<string, any>} */ texts = {}) {
  const path = `/api/tasks/${encodeURIComponent(id)}`;
  const { definition } = await get(path);
  const typed = await form({ title: `Edit ${id}`, content: fields(definition, texts), yes: "Save" });
  if (!typed) return;
  const { set, was } = changes(definition, typed);
  if (!Object.keys(set).length) return;
  const back = () => request(`Edit ${id}:`, `${path}/edit`, { set: was, was: set });
  await request(`Edit ${id}:`, `${path}/edit`, { set, was }, back, () => editTask(id, typed));
}
