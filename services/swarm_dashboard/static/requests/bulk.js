// @ts-check
// Bulk actions on selected tasks, or on all that match. The effect is counted before anything is done.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count, plural, statusWord } from "../format.js";
import { priorityField } from "../pieces.js";
import { question } from "./dialogs.js";
import { request, TASK_VERBS } from "./verbs.js";

const VERBS = ["retry", "release", "hold", "cancel", "kill", "prioritize"];
const DANGEROUS = new Set(["cancel", "kill"]);

const chosen = new Map(); // id → the row as it was when it was chosen
let everything = false;
let filter = ""; // what the selection belongs to
let lastPicked = null;
const bar = h("section", { class: "bulk", "aria-label": "Act on many tasks", hidden: true });

/** The place of the bar on the page; the bar itself stays the same. `parameters`: the filters of the screen. */
export function bulkBar(parameters, page) {
  const now = JSON.stringify(parameters);
  if (now !== filter) forget();
  filter = now;
  for (const row of page.tasks) if (chosen.has(row.id)) chosen.set(row.id, row);
  paint(parameters);
  return h("div", { class: "bulk-place", "data-own": "" }, bar.isConnected ? null : bar);
}

/** A row's checkbox. */
export const picker = (row) =>
  h("input", {
    type: "checkbox",
    "data-pick": row.id,
    "aria-label": `Select ${row.id}`,
    checked: chosen.has(row.id),
    onclick: (event) => pick(row, event),
  });

/** The checkbox above the rows: all of this page. */
export const pickAll = (rows) =>
  h("input", {
    type: "checkbox",
    "data-pick-all": "",
    "aria-label": "Select all rows of this page",
    checked: rows.length > 0 && rows.every((row) => chosen.has(row.id)),
    onclick: (event) => {
      for (const row of rows) mark(row, event.target.checked);
      paint();
    },
  });

export const pickEverything = (total) =>
  h(
    "button",
    {
      type: "button",
      class: "small",
      onclick: () => {
        everything = true;
        paint();
      },
    },
    total === null ? "Act on all that match" : `Act on all ${count(total)}`,
  );

/** The checkboxes of the rows. @returns {HTMLInputElement[]} */
const pickers = () => [...document.querySelectorAll("[data-pick]")].map((box) => /** @type {any} */ (box));

/** The row that has the focus: for the keyboard. */
export function pickFocused() {
  /** @type {HTMLElement} */ (document.activeElement?.closest("tr")?.querySelector("[data-pick]"))?.click();
}

function mark(row, on) {
  if (on) chosen.set(row.id, row);
  else chosen.delete(row.id);
  everything = false;
}

function pick(row, event) {
  const boxes = pickers();
  const here = boxes.indexOf(event.target);
  const before = boxes.findIndex((box) => box.dataset.pick === lastPicked);
  mark(row, event.target.checked);
  if (event.shiftKey && before >= 0) {
    // Each box knows its own row: a click is how it is chosen.
    for (const box of boxes.slice(Math.min(here, before), Math.max(here, before) + 1)) {
      if (box.checked !== event.target.checked) box.click();
    }
  }
  lastPicked = row.id;
  paint();
}

function forget() {
  chosen.clear();
  everything = false;
  lastPicked = null;
}

function paint(parameters = JSON.parse(filter || "{}")) {
  for (const box of pickers()) box.checked = chosen.has(box.dataset.pick);
  const all = /** @type {HTMLInputElement} */ (document.querySelector("[data-pick-all]"));
  if (all) all.checked = pickers().every((box) => box.checked);
  const isOpen = everything || chosen.size > 0;
  bar.hidden = !isOpen;
  // Buttons stay the same while they say the same: one may be under the pointer.
  const says = JSON.stringify([filter, everything, chosen.size, VERBS.map((verb) => useful(verb).length)]);
  if (!isOpen || bar.dataset.says === says) return;
  bar.dataset.says = says;
  const active = /** @type {HTMLElement} */ (document.activeElement);
  const focused = active?.closest?.(".bulk") ? active.dataset.verb : null;
  bar.replaceChildren(
    h("strong", { role: "status" }, everything ? "Everything that matches" : `${plural(chosen.size, "task")} selected`),
    ...VERBS.map((verb) =>
      h(
        "button",
        {
          type: "button",
          class: `small ${DANGEROUS.has(verb) ? "danger" : ""}`,
          "data-verb": verb,
          disabled: !everything && !useful(verb).length,
          onclick: () => act(verb, parameters),
        },
        TASK_VERBS[verb].label,
        !everything && ` ${count(useful(verb).length)}`,
      ),
    ),
    h(
      "button",
      {
        type: "button",
        class: "small plain",
        onclick: () => {
          forget();
          paint();
        },
      },
      "Clear",
    ),
  );
  if (focused) bar.querySelector(`[data-verb="${focused}"]`)?.focus();
}

const useful = (verb) => [...chosen.values()].filter((row) => row.verbs.includes(verb));

async function act(verb, parameters) {
  const label = TASK_VERBS[verb].label.replace("…", "");
  const line = h("p", { role: "status", class: "counting" }, "Counting…");
  const note =
    verb === "retry"
      ? h("textarea", {
          rows: 3,
          "aria-label": "Note for the next attempts",
          placeholder: "Note for the next attempts (optional)",
        })
      : null;
  const priority = verb === "prioritize" ? priorityField("medium") : null;
  const run = new AbortController();
  const ready = everything
    ? counted(parameters, verb, line, run.signal)
    : Promise.resolve(describe(line, ...ofSelection(verb)));
  const yes = await question({
    title: `${label} ${everything ? "everything that matches" : "the selected tasks"}?`,
    content: [line, h("p", { class: "quiet" }, TASK_VERBS[verb].does({ group: "in_progress" })), note, priority].filter(
      Boolean,
    ),
    yes: label,
    danger: DANGEROUS.has(verb),
    ready,
  });
  run.abort();
  if (!yes) return;
  const extra = {
    ...(note?.value.trim() && { note: note.value.trim() }),
    ...(priority && { priority: priority.querySelector("input").value }),
  };
  const which = everything ? { matching: parameters } : { ids: useful(verb).map((row) => row.id) };
  forget();
  paint();
  await request(`${label}:`, "/api/tasks/bulk", { verb, ...which, ...extra });
}

function ofSelection(verb) {
  const rest = {};
  for (const row of chosen.values()) if (!row.verbs.includes(verb)) rest[row.status] = (rest[row.status] ?? 0) + 1;
  return [useful(verb).length, rest, true];
}

/** Count what matches, a bounded piece at a time; whether there is anything to do once the number is exact. */
async function counted(parameters, verb, line, signal) {
  let meant = 0;
  const rest = {};
  try {
    for (let cursor = 0; cursor !== null; ) {
      const part = await get("/api/count", { ...parameters, verb, cursor }, signal);
      meant += part.meant;
      for (const [status, n] of Object.entries(part.left_alone)) rest[status] = (rest[status] ?? 0) + n;
      cursor = part.cursor;
      describe(line, meant, rest, cursor === null);
    }
    return meant > 0;
  } catch (error) {
    if (error.name !== "AbortError") line.textContent = error.message;
    return false;
  }
}

function describe(line, meant, rest, isExact) {
  const left = Object.entries(rest).map(([status, n]) => `${count(n)} ${statusWord(status)}`);
  const number = isExact ? plural(meant, "task") : `${count(meant)}+ tasks`;
  line.replaceChildren(
    h("strong", null, number),
    isExact ? "" : ", still counting…",
    left.length ? ` Skipped: ${left.join(", ")}${isExact ? "" : " so far"}.` : isExact ? "." : "",
  );
  return meant > 0;
}
