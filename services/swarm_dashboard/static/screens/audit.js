// @ts-check
// Audit: every request, who made it, and its outcome.

import { get } from "../api.js";
import { h } from "../dom.js";
import { moment, plural } from "../format.js";
import { cell, empty, icon, table, taskLink } from "../pieces.js";

export const name = "audit";
export const title = () => "Audit";

const GROUP = { done: "completed", refused: "failed", expired: "held", pending: "in_progress" };
const UNSHOWN = new Set(["columns", "was"]);
const QUOTED = new Set(["note", "text", "reason"]);
const OF_WORKERS = new Set(["drain", "restart_worker"]);

export const follows = true;
export const load = ({ query }, signal) => get("/api/control", { before: query.get("before") }, signal);

/** @param {View<Api.ControlPage>} context */
export function view({ data, place: { query } }) {
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Audit"),
    data.control.length
      ? h(
          "section",
          { class: "card flush" },
          table("audit", "Requests", ["When", "Who", "Request", "Target", "Details", "Outcome"], data.control.map(row)),
        )
      : empty("No requests yet. Every retry, kill, pause and so on will appear here."),
    (data.cursor || query.get("before")) &&
      h(
        "nav",
        { class: "pager", "aria-label": "Pages" },
        query.get("before") && h("a", { class: "button", href: "/audit" }, "Newest"),
        data.cursor && h("a", { class: "button", href: `/audit?before=${data.cursor}` }, "Older"),
      ),
  );
}

const plain = (word) => word.replaceAll("_", " ");

/** What a request asks for, in words: texts in quotes, switches that are on, of a task its name, of changes the keys. */
export function details(/** @type {Record<string, any>} */ argument) {
  return Object.entries(argument)
    .filter(([key, value]) => !UNSHOWN.has(key) && value !== false && value !== null)
    .map(([key, value]) => {
      if (QUOTED.has(key)) return `“${value}”`;
      if (value === true) return plain(key);
      if (Array.isArray(value)) return `${plain(key)} ${value.join(", ")}`;
      if (key === "task") return `task ${value.name ?? value.id ?? value}`;
      if (typeof value === "object") return `${plain(key)} ${Object.keys(value).map(plain).join(", ")}`;
      return `${plain(key)} ${value}`;
    })
    .join(", ");
}

/** The row of a request on many tasks. */
function many({ argument: { verb, ids, filter, argument } }) {
  const words = Object.entries(filter ?? {}).map(([key, value]) =>
    key === "fingerprint" ? "the same problem" : `${plain(key)} ${plain([value].flat().join(", "))}`,
  );
  return {
    verb: `${verb} many`,
    of: ids ? plural(ids.length, "task") : `all tasks with ${words.join("; ")}`,
    argument: argument ?? {},
  };
}

/** The row of a request to land into a branch. */
function landing({ target, argument: { undo, tip, to } }) {
  return {
    verb: undo ? "undo landing" : "land",
    of: target,
    argument: { commit: String(undo ? to : tip).slice(0, 10) },
  };
}

function row(entry) {
  if (entry.verb === "land") return row({ ...entry, ...landing(entry) });
  if (entry.verb === "bulk") return row({ ...entry, ...many(entry) });
  const target = entry.of
    ? entry.of
    : !entry.target
      ? "the swarm"
      : OF_WORKERS.has(entry.verb)
        ? entry.target
        : taskLink(entry.target, null, { class: "id", "data-row": "" });
  return h(
    "tr",
    { key: entry.id },
    cell("When", { class: "c-time" }, h("time", { title: entry.created_at }, moment(entry.created_at))),
    cell("Who", { class: "c-worker", title: entry.actor }, entry.actor === "cli" ? "command line" : entry.actor),
    cell("Request", { class: "c-verb" }, entry.verb.replaceAll("_", " ")),
    cell("Target", { class: "c-target" }, target),
    cell("Details", { class: "c-text" }, details(entry.argument) || "–"),
    cell(
      "Outcome",
      { class: "c-text" },
      h("span", { class: "badge", "data-group": GROUP[entry.status] }, icon(GROUP[entry.status]), entry.status),
      " ",
      h("span", { class: "quiet" }, entry.result ?? entry.hint ?? ""),
    ),
  );
}
