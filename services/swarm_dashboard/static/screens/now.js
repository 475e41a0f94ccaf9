// Now: how far it is, what runs, what needs a person.

import { h } from "../dom.js";
import { count, duration, groupWord, heldBecause, hours, percent, plural, sinceSeconds } from "../format.js";
import { badge, cell, command, elapsed, empty, icon, table, taskLink } from "../pieces.js";
import { outcomes } from "../pictures/bars.js";
import { lanes } from "../pictures/lanes.js";
import { progress } from "../pictures/progress.js";
import * as verbs from "../verbs.js";
import { warnings } from "../warnings.js";

export const name = "now";
export const title = () => "Now";
export const load = async () => ({});

const GROUPS = ["not_started", "in_progress", "completed", "failed", "held", "cancelled"];
const SILENT_S = 60;

export function view({ status, place, go }) {
  if (!status) return h("div", { class: "screen" }, empty("Loading…"));
  const total = status.tasks.total.count;
  return h("div", { class: "screen now" },
    h("h1", { class: "unseen" }, "Now"),
    warnings(status),
    total ? [overview(status), lanes({ status, place, go }), running(status), lists(status), pictures({ status, place, go })] : nothingYet(status));
}

const pictures = (context) => h("div", { class: "columns two", key: "pictures" }, outcomes(context), progress(context));

function nothingYet(status) {
  return h("section", { class: "card first" },
    h("h2", null, "The queue is empty"),
    h("p", null, "Put tasks into it, then start workers:"),
    h("p", null, command(`amplifier-swarm import-tasks tasks.yaml --db ${status.database ?? "tasks.db"}`)),
    h("p", null, command(`amplifier-swarm start --db ${status.database ?? "tasks.db"}`)),
    h("p", { class: "quiet" }, "This page shows them the moment they are there."));
}

function overview(status) {
  const { tasks } = status;
  const alive = status.workers.filter((w) => w.alive).length;
  const running = status.running.length;
  return h("section", { class: "card overview", "aria-label": "Progress" },
    h("ul", { class: "counters" }, GROUPS.map((group) =>
      h("li", { key: group, "data-group": group, "data-empty": tasks[group].count === 0 },
        h("a", { href: `/tasks?status=${group}` },
          h("span", { class: "number" }, count(tasks[group].count)),
          h("span", { class: "word" }, icon(group), groupWord(group)),
          h("span", { class: "hours" }, tasks[group].hours ? hours(tasks[group].hours) : "\u00a0"))))),
    h("div", { class: "bar", role: "progressbar", "aria-label": "Completed tasks", "aria-valuemin": 0,
      "aria-valuemax": tasks.total.count, "aria-valuenow": tasks.completed.count },
      ["completed", "in_progress", "failed", "held", "cancelled"].map((group) =>
        h("span", { key: group, "data-group": group, width: `${(100 * tasks[group].count) / tasks.total.count}%` }))),
    h("div", { class: "facts" },
      h("p", null, h("strong", null, percent(status.progress)), " · ",
        `${count(tasks.completed.count)} of ${plural(tasks.total.count, "task")}`),
      h("p", null, h("strong", null, hours(status.remaining_hours)), " remain · ",
        `${hours(tasks.completed.hours)} of ${hours(tasks.total.hours)} done`),
      h("p", null, eta(status)),
      h("p", null, h("strong", null, `${running}`), ` of ${plural(alive, "worker")} busy`)),
    h("div", { class: "controls" },
      status.paused
        ? h("button", { type: "button", class: "primary", key: "resume", onclick: verbs.resume }, "Resume")
        : h("button", { type: "button", key: "pause", onclick: verbs.pause }, "Pause"),
      h("button", { type: "button", key: "drain", onclick: () => verbs.drain(running) }, "Graceful shutdown"),
      h("button", { type: "button", class: "danger", key: "stop", onclick: () => verbs.emergencyStop(running) },
        "Emergency stop")));
}

function eta(status) {
  const { passes, workers } = status.eta_basis;
  if (status.eta_s === null) {
    const open = status.tasks.not_started.count + status.tasks.in_progress.count;
    return h("span", { class: "quiet" }, open ? "Time left: not known before the first task is done" : "Nothing left to do");
  }
  return [h("strong", null, `about ${duration(status.eta_s)}`), ` left · from ${plural(passes, "pass", "passes")}, ${plural(workers, "worker")}`];
}

function running(status) {
  if (!status.running.length) return null;
  return h("section", { class: "card" }, h("h2", null, "Running"),
    table("running", ["Stage", "Task", "Worker", "Elapsed", "Last line", ""], status.running.map((row) => {
      const silent = row.progress_at && sinceSeconds(row.progress_at) > SILENT_S;
      return h("tr", { key: row.id },
        cell("Stage", { class: "c-status" }, badge(row)),
        cell("Task", { class: "c-name" }, taskLink(row.id, null, { class: "id", "data-row": "" }), " ", h("span", null, row.name)),
        cell("Worker", { class: "c-worker" }, row.worker_id),
        cell("Elapsed", { class: "c-time" }, elapsed(row.claimed_at),
          row.number > 1 && h("span", { class: "quiet" }, ` · try ${row.number}`)),
        cell("Last line", { class: "c-line" },
          silent && h("span", { class: "silent" }, elapsed(row.progress_at, "silent ")), h("span", { class: "line" }, row.last_line || "–")),
        cell("", { class: "c-actions", "data-steady": "" }, verbs.taskButton("kill", row)));
    })));
}

function lists(status) {
  return h("div", { class: "columns" },
    short("Needs you", status.needs_you, status.tasks.held.count, "held", (row) => row.last_error || heldBecause(row.hold_reason)),
    short("Just failed", status.just_failed, status.tasks.failed.count, "failed", (row) => row.last_error || row.message),
    short("Just finished", status.just_finished, status.tasks.completed.count, "completed", null));
}

function short(heading, rows, total, group, words) {
  return h("section", { class: "card", key: heading },
    h("h2", null, heading, " ", total > rows.length && h("a", { class: "all", href: `/tasks?status=${group}` }, `all ${count(total)}`)),
    rows.length
      ? h("ul", { class: "short", "data-calm": "" }, rows.map((row) =>
          h("li", { key: row.id, "data-group": row.group },
            icon(row.status),
            h("div", null,
              h("p", { class: "head" }, taskLink(row.id, null, { class: "id", "data-row": "" }), " ", h("span", null, row.name),
                h("span", { class: "ago" }, elapsed(row.at))),
              words && h("p", { class: "why" }, words(row))),
            words && h("span", { class: "act", "data-steady": "" }, verbs.taskButton(row.verbs[0], row)))))
      : h("p", { class: "quiet" }, heading === "Needs you" ? "Nothing. Good." : "Nothing."));
}
