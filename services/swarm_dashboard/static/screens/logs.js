// @ts-check
// Logs: two to four live logs side by side, of the tasks that the address names or that run.

import { get } from "../api.js";
import { h } from "../dom.js";
import { LogView } from "../log/logview.js";
import { badge, empty, taskLink, taskPath } from "../pieces.js";

export const name = "logs";
export const title = () => "Logs";
export const follows = true;

const MOST = 4;
const views = new Map(); // task → { key, log }
/** @type {string[] | null} */
let chosen = null; // the tasks that ran when the screen was opened; kept, so that no log disappears

export async function load({ query }, signal) {
  const named = query.getAll("task").slice(0, MOST);
  const { running } = await get("/api/status", {}, signal);
  chosen ??= running.slice(0, MOST).map((row) => row.id);
  if (!named.length && !chosen?.length) chosen = null;
  const ids = named.length ? named : (chosen ?? []);
  const tasks = await Promise.all(
    ids.map((id) => get(`/api/tasks/${encodeURIComponent(id)}`, {}, signal).catch((error) => ({ id, error }))),
  );
  return { tasks, running };
}

export function leave() {
  for (const { log } of views.values()) log.stop();
  views.clear();
  chosen = null;
}

/** @param {View<{ tasks: any[], running: Api.Running[] }>} context */
export function view({ data: { tasks, running }, go }) {
  const ids = tasks.map((task) => task.id);
  const others = running.filter((row) => !ids.includes(row.id));
  const address = (some) => `/logs?${new URLSearchParams(some.map((id) => ["task", id]))}`;
  return h(
    "div",
    { class: "screen wide" },
    h("h1", { class: "unseen" }, "Logs"),
    others.length > 0 &&
      ids.length < MOST &&
      h(
        "div",
        { class: "toolbar" },
        h(
          "select",
          {
            "aria-label": "Add a log",
            onchange: (event) => event.target.value && go(address([...ids, event.target.value])),
          },
          h("option", { value: "" }, "add a log…"),
          others.map((row) => h("option", { value: row.id }, `${row.id} ${row.name}`)),
        ),
      ),
    tasks.length
      ? h(
          "div",
          { class: "logs" },
          tasks.map((task) => one(task, () => go(address(ids.filter((id) => id !== task.id))), ids.length)),
        )
      : empty("Nothing is running. Logs of running tasks appear here side by side."),
  );
}

function one(task, close, n) {
  if (task.error) return h("section", { class: "card", key: task.id }, h("p", null, task.error.message));
  const attempt = task.attempts.at(-1);
  const session = attempt?.sessions.findLast((each) => !each.ended_at) ?? attempt?.sessions.at(-1);
  return h(
    "section",
    { class: "card", key: task.id, "aria-label": `Log of ${task.id}` },
    h(
      "div",
      { class: "bar-head" },
      badge(task),
      taskLink(task.id, null, { class: "id" }),
      h("span", null, task.name),
      h("span", { class: "gap" }),
      session && h("a", { class: "small", href: `${taskPath(task.id)}?tab=log` }, session.role),
      n > 1 &&
        h(
          "button",
          { type: "button", class: "plain small", "aria-label": `Remove the log of ${task.id}`, onclick: close },
          "×",
        ),
    ),
    session ? place(task, attempt, session) : h("p", { class: "quiet" }, "No session has started yet."),
  );
}

function place(task, attempt, session) {
  const key = `${task.id} ${attempt.number} ${session.id}`;
  if (views.get(task.id)?.key !== key) {
    views.get(task.id)?.log.stop();
    views.set(task.id, { key, log: new LogView(task.id, attempt.number, session.id, {}, () => {}) });
  }
  const { node } = views.get(task.id).log;
  return h("div", { class: "log-place", key, "data-own": "" }, node.isConnected ? null : node);
}
