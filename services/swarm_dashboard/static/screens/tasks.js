// @ts-check
// Tasks: the queue, with filters, search and pages in the address.

import { get } from "../api.js";
import { h } from "../dom.js";
import { exportTasks } from "../download.js";
import { count, duration, groupWord, plural, sinceSeconds } from "../format.js";
import { columnMenu, shown } from "../lists/columns.js";
import { learnPhases } from "../lists/completions.js";
import * as saved from "../lists/savedsearches.js";
import { at, badge, cell, command, elapsed, empty, icon, table, taskName } from "../pieces.js";
import { bulkBar, pickAll, pickEverything, picker, pickFocused } from "../requests/bulk.js";
import { importTasks } from "../requests/importform.js";
import { addTask } from "../requests/taskform.js";
import { taskButton } from "../requests/verbs.js";

export const name = "tasks";
export const follows = true;
export const title = ({ query }) => (query.get("status") ? `Tasks: ${groupWord(query.get("status"))}` : "Tasks");

const GROUPS = ["not_started", "in_progress", "completed", "failed", "held", "cancelled"];
const URGENT = new Set(["in_progress", "failed", "held"]);
const FILTERS = ["status", "phase", "q", "cursor"];
const KEPT = [...FILTERS, "sort", "view"]; // in the address
const SORTS = {
  status: (row) => GROUPS.indexOf(row.group),
  task: (row) => row.id,
  phase: (row) => row.phase,
  priority: (row) => PRIORITIES[row.priority] ?? Number(row.priority),
  tries: (row) => row.attempt_count,
  time: seconds,
  worker: (row) => row.worker_id ?? "",
  type: (row) => row.type ?? "",
  updated: (row) => Date.parse(row.updated_at),
};
const PRIORITIES = { critical: 1, high: 2, medium: 3, low: 4 };

export const keys = { x: ["select the row", pickFocused] };

export async function load({ query }, signal) {
  const parameters = Object.fromEntries(FILTERS.map((key) => [key, query.get(key)]));
  const [page, { phases }] = await Promise.all([get("/api/tasks", parameters, signal), get("/api/phases", {}, signal)]);
  learnPhases(phases);
  return { page, phases };
}

/** @param {View<{ page: Api.TaskPage, [more: string]: any }>} context */
export function view({ data, status, place, go, redraw }) {
  const { query } = place;
  const { page, phases } = data;
  const layout = query.get("view") ?? "";
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Tasks"),
    h(
      "div",
      { class: "filters" },
      h(
        "nav",
        { class: "tabs", "aria-label": "Status" },
        tab(query, "", "all", status?.tasks.total.count),
        GROUPS.map((group) => tab(query, group, groupWord(group), status?.tasks[group].count)),
      ),
      phases.length > 0 &&
        h(
          "select",
          { "aria-label": "Phase", onchange: (event) => go(changed(query, { phase: event.target.value })) },
          h("option", { value: "" }, "every phase"),
          phases.map((phase) => h("option", { value: phase, selected: phase === query.get("phase") }, phase)),
        ),
      h(
        "nav",
        { class: "tabs small", "aria-label": "Layout" },
        [
          ["", "List"],
          ["status", "Board"],
          ["phase", "Phases"],
        ].map(([key, words]) =>
          h(
            "a",
            {
              key,
              href: changed(query, { view: key }),
              "aria-current": (query.get("view") ?? "") === key ? "true" : null,
            },
            words,
          ),
        ),
      ),
    ),
    savedSearches(query),
    found(query, page, redraw),
    bulkBar(filters(query), page),
    page.tasks.length
      ? layout in BOARDS
        ? board(BOARDS[layout], page.tasks, page.cursor !== null || query.has("cursor"))
        : list(sorted(page.tasks, query.get("sort")), query)
      : nothing(query, status),
    pager(query, page),
  );
}

/** The active filters, which a bulk action on all matching tasks also gets. */
const filters = (query) =>
  Object.fromEntries(["q", "status", "phase"].filter((key) => query.get(key)).map((key) => [key, query.get(key)]));

/** The address with changed filters, on the first page. */
function changed(query, change) {
  const next = new URLSearchParams();
  for (const key of KEPT) {
    const value = key in change ? change[key] : key === "cursor" ? "" : query.get(key);
    if (value) next.set(key, value);
  }
  const text = next.toString();
  return text ? `/tasks?${text}` : "/tasks";
}

function tab(query, group, word, n) {
  const current = (query.get("status") ?? "") === group;
  return h(
    "a",
    {
      href: changed(query, { status: group }),
      "aria-current": current ? "true" : null,
      "data-group": group || null,
      key: word,
    },
    group && icon(group),
    word,
    h("span", { class: "n" }, n === undefined ? "" : count(n)),
  );
}

function found(query, page, redraw) {
  const asked = query.get("q");
  const amount = page.total === null ? `${plural(page.tasks.length, "task")} so far` : plural(page.total, "task");
  const scope =
    page.looked_at !== null && page.cursor !== null ? `, ${count(page.looked_at)} looked at on this page` : "";
  return h(
    "div",
    { class: "quiet found" },
    amount + scope,
    asked && [
      " for ",
      h("strong", null, asked),
      " · ",
      h("a", { href: changed(query, { q: "" }) }, "clear the search"),
      " · ",
      h(
        "button",
        { type: "button", class: "plain", onclick: (event) => keep(event, asked) },
        saved.has(asked) ? "forget this search" : "save this search",
      ),
    ],
    page.tasks.length > 0 && [" ", pickEverything(page.total)],
    " ",
    h("button", { type: "button", class: "small", onclick: () => addTask(query.get("phase")) }, "Add task…"),
    " ",
    h("button", { type: "button", class: "small", onclick: importTasks }, "Import…"),
    " ",
    (page.tasks.length > 0 || page.cursor !== null) &&
      h("button", { type: "button", class: "small", onclick: () => exportTasks(filters(query)) }, "Export"),
    page.tasks.length > 0 && !(query.get("view") in BOARDS) && [" ", columnMenu(COLUMNS, redraw)],
  );
}

function keep(event, search) {
  saved.toggle(search);
  event.target.textContent = saved.has(search) ? "forget this search" : "save this search";
}

function savedSearches(query) {
  const searches = saved.all();
  return (
    searches.length > 0 &&
    h(
      "nav",
      { class: "saved", "aria-label": "Saved searches" },
      h("span", { class: "quiet" }, "Saved:"),
      searches.map((search) =>
        h(
          "a",
          {
            key: search,
            href: `/tasks?${new URLSearchParams({ q: search })}`,
            "aria-current": search === query.get("q") ? "true" : null,
          },
          search,
        ),
      ),
    )
  );
}

// ───── order ─────

function seconds(row) {
  if (row.group === "in_progress") return sinceSeconds(row.claimed_at);
  if (row.worked_ms !== null) return row.worked_ms / 1000;
  return (row.estimated_hours ?? 0) * 3600;
}

/** The rows of this page sorted by a column (`-time` is descending), or in the order of the queue. */
function sorted(rows, by) {
  const of = SORTS[by?.replace("-", "")];
  if (!of) return rows;
  const sign = by.startsWith("-") ? -1 : 1;
  const compare = (one, other) =>
    typeof one === "string" ? one.localeCompare(other, undefined, { numeric: true }) : one - other;
  return [...rows].sort((one, other) => sign * compare(of(one), of(other)));
}

/** A heading that sorts by its column: ascending, descending, then back to the order of the queue. */
function heading(column, query) {
  const key = column.name.toLowerCase();
  const by = query.get("sort");
  const next = by === key ? `-${key}` : by === `-${key}` ? "" : key;
  const order = by === key ? "ascending" : by === `-${key}` ? "descending" : null;
  return {
    sort: order,
    class: column.class,
    content: h("a", { class: "sort", href: changed(query, { sort: next }), title: "Sort this page" }, column.name),
  };
}

// ───── boards ─────

const BOARDS = {
  status: { of: (row) => row.group, words: groupWord, order: GROUPS },
  phase: { of: (row) => row.phase || "no phase", words: (phase) => phase, order: null },
};

/** The rows of this page in columns by status or phase; `partial` where there are more pages. */
function board({ of, words, order }, rows, partial) {
  const columns = Map.groupBy(rows, of);
  const rowsOf = (name) => columns.get(name) ?? [];
  const names = order?.filter((name) => columns.has(name)) ?? [...columns.keys()];
  return h(
    "div",
    { class: "board" },
    names.map((name) =>
      h(
        "section",
        { class: "card", key: name, "data-group": order ? name : null },
        h(
          "h2",
          null,
          order && icon(name),
          " ",
          words(name),
          " ",
          h("span", { class: "quiet" }, count(rowsOf(name).length) + (partial ? " on this page" : "")),
        ),
        h(
          "ul",
          { class: "short", "data-calm": "" },
          rowsOf(name).map((row) =>
            h(
              "li",
              { key: row.id, "data-group": row.group },
              icon(row.status),
              h(
                "div",
                null,
                h("p", { class: "head" }, taskName(row)),
                row.last_error && row.group !== "completed" && h("p", { class: "why" }, row.last_error),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

const COLUMNS = [
  { name: "Status", class: "c-status", of: badge, fixed: true },
  { name: "Task", class: "c-name", of: nameAndTrouble, fixed: true },
  { name: "Phase", class: "c-phase", of: (row) => row.phase || "–" },
  { name: "Type", class: "c-type", of: (row) => row.type || "–", extra: true },
  { name: "Priority", class: "c-priority", of: (row) => String(row.priority) },
  { name: "Tries", class: "c-number", of: (row) => String(row.attempt_count) },
  { name: "Time", class: "c-time", of: time },
  { name: "Updated", class: "c-time", of: (row) => at(row.updated_at), extra: true },
  { name: "Worker", class: "c-worker", of: (row) => row.worker_id ?? "–" },
];

function nameAndTrouble(row) {
  return [
    taskName(row, row.name),
    row.status === "blocked" &&
      row.blockers > 0 &&
      h("span", { class: "why" }, `waiting for ${plural(row.blockers, "task")}`),
    row.last_error && row.group !== "completed" && h("span", { class: "why", title: row.last_error }, row.last_error),
  ];
}

function list(rows, query) {
  const columns = shown(COLUMNS);
  return h(
    "section",
    { class: "card flush" },
    table(
      "tasks",
      "Tasks",
      [pickAll(rows), ...columns.map((column) => heading(column, query)), ""],
      rows.map((row) =>
        h(
          "tr",
          { key: row.id },
          cell("", { class: "c-pick" }, picker(row)),
          columns.map((column) => cell(column.name, { class: column.class, key: column.name }, column.of(row))),
          cell(
            "",
            { class: `c-actions ${URGENT.has(row.group) ? "" : "later"}`, "data-steady": "", key: "actions" },
            row.group !== "completed" && row.verbs.slice(0, 1).map((verb) => taskButton(verb, row)),
          ),
        ),
      ),
    ),
  );
}

function time(row) {
  if (row.group === "in_progress") return elapsed(row.claimed_at);
  if (row.worked_ms !== null) return duration(row.worked_ms / 1000); // of its attempts, without waiting between them
  if (row.group === "completed" || row.group === "failed") return "–"; // an estimate would read as time spent
  return row.estimated_hours
    ? h("span", { class: "quiet", title: "estimated" }, `~${duration(row.estimated_hours * 3600)}`)
    : "–";
}

function nothing(_query, status) {
  if (status && status.tasks.total.count === 0) {
    return empty(
      "The queue is empty. ",
      h("button", { type: "button", class: "primary", onclick: importTasks }, "Import tasks…"),
      " or in a terminal: ",
      command("amplifier-swarm import-tasks tasks.yaml"),
    );
  }
  return empty("No task matches. ", h("a", { href: "/tasks" }, "Show all"));
}

function pager(query, page) {
  const later = Boolean(query.get("cursor"));
  if (!later && page.cursor === null) return null;
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    later && h("a", { class: "button", href: changed(query, {}) }, "First page"),
    page.cursor !== null &&
      h(
        "a",
        { class: "button", href: changed(query, { cursor: String(page.cursor) }) },
        page.looked_at !== null ? "Search on" : "Next page",
      ),
  );
}
