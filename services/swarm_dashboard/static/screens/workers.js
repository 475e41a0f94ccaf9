// @ts-check
// Workers: what each one works on, its heartbeat, and their number.

import { h } from "../dom.js";
import { bytes, percent, plural } from "../format.js";
import { lanes } from "../pictures/lanes.js";
import { at, cell, command, elapsed, empty, icon, table, taskLink } from "../pieces.js";
import { scaleForm } from "../requests/scaleform.js";
import * as verbs from "../requests/verbs.js";

export const name = "workers";
export const title = () => "Workers";
export const load = async () => ({});

const SILENT_S = 90; // three heartbeats of the usual length
const GROUP = {
  busy: "in_progress",
  idle: "not_started",
  starting: "not_started",
  waiting: "scheduled",
  draining: "scheduled",
  retiring: "scheduled",
  stopped: "cancelled",
  crashed: "failed",
};

/** @param {View<any>} context */
export function view({ status, place, go }) {
  if (!status) return h("div", { class: "screen" }, empty("Loading…"));
  const alive = status.workers.filter((worker) => worker.alive);
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Workers"),
    h(
      "section",
      { class: "card row" },
      h(
        "p",
        null,
        h("strong", null, plural(alive.length, "worker")),
        ` · ${alive.filter((w) => w.current_task_id).length} busy`,
      ),
      scaleForm(status),
    ),
    status.workers.length
      ? h(
          "section",
          { class: "card flush" },
          table(
            "workers",
            "Workers",
            [
              "Worker",
              "State",
              "Task",
              "Heartbeat",
              "Up since",
              "Memory",
              "CPU",
              "PID",
              "Done",
              "Failed",
              "Restarts",
              "",
            ],
            status.workers.map(row),
          ),
        )
      : status.services.reaper && !status.services.reaper.stopped_at
        ? empty("No worker has started yet. Set their number above.")
        : empty("No worker has started yet. Start some with ", command("amplifier-swarm start -n 3")),
    status.workers.length > 0 && lanes({ status, place, go }),
    services(status),
  );
}

function row(worker) {
  const silent = worker.alive && worker.heartbeat_age_s > SILENT_S;
  const uses = worker.tree_processes
    ? `${plural(worker.tree_processes, "process", "processes")}, agents and all, as of the last heartbeat; 100% is one processor`
    : "Reported with its heartbeat";
  return h(
    "tr",
    { key: worker.worker_id, class: worker.alive ? null : "over" },
    cell("Worker", { class: "c-worker" }, h("strong", null, worker.worker_id)),
    cell(
      "State",
      { class: "c-status" },
      h(
        "span",
        { class: "badge", "data-group": GROUP[worker.status] ?? "not_started" },
        icon(GROUP[worker.status] ?? "not_started"),
        worker.status,
      ),
      worker.wanted && worker.alive && h("span", { class: "quiet" }, ` will ${worker.wanted}`),
      worker.reason &&
        worker.reason !== worker.status &&
        h("span", { class: "why", title: worker.reason }, worker.reason),
    ),
    cell(
      "Task",
      { class: "c-name" },
      worker.current_task_id
        ? [
            taskLink(worker.current_task_id, null, { class: "id", "data-row": "" }),
            " ",
            h("span", { class: "quiet" }, worker.stage ?? ""),
          ]
        : "–",
    ),
    cell(
      "Heartbeat",
      { class: silent ? "c-time silent" : "c-time" },
      worker.alive ? elapsed(worker.last_heartbeat) : at(worker.last_heartbeat),
    ),
    cell("Up since", { class: "c-time" }, worker.alive ? at(worker.started_at) : "–"),
    cell(
      "Memory",
      { class: "c-number", title: uses },
      worker.tree_rss_bytes && worker.alive ? bytes(worker.tree_rss_bytes) : "–",
    ),
    cell(
      "CPU",
      { class: "c-number", title: uses },
      worker.tree_cpu_share !== null && worker.alive ? percent(worker.tree_cpu_share) : "–",
    ),
    cell("PID", { class: "c-number" }, String(worker.pid)),
    cell("Done", { class: "c-number" }, String(worker.tasks_completed)),
    cell("Failed", { class: "c-number" }, String(worker.tasks_failed)),
    cell("Restarts", { class: "c-number" }, String(worker.restarts)),
    cell(
      "",
      { class: "c-actions", "data-steady": "" },
      worker.alive && [
        h(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": `Drain ${worker.worker_id}`,
            title: "Finishes its current task, then leaves",
            onclick: () => verbs.drainWorker(worker),
          },
          "Drain",
        ),
        " ",
        h(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": `Restart ${worker.worker_id}`,
            title: "Restarts its process, after its current task or now",
            onclick: () => verbs.restartWorker(worker),
          },
          "Restart",
        ),
      ],
    ),
  );
}

function services(status) {
  const reaper = status.services.reaper;
  return h(
    "p",
    { class: "quiet" },
    reaper && !reaper.stopped_at
      ? ["Reaper running since ", at(reaper.started_at), "."]
      : "The reaper is not running: scaling, restarts and recovery of dead workers are suspended.",
  );
}
