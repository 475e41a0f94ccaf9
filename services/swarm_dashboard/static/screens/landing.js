// @ts-check
// Landing: work that passed, on its way to the branch that it lands on.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count, moment, plural } from "../format.js";
import { notices } from "../frame/warnings.js";
import { at, cell, copyButton, elapsed, empty, icon, table, taskLink, taskName } from "../pieces.js";
import { mergeInto, undoLanding } from "../requests/landinto.js";

export const name = "landing";
export const title = () => "Landing";
export const follows = true;

export const load = (_place, signal) => get("/api/landing", {}, signal);

/** @param {View<Api.Landing>} context */
export function view({ data, status }) {
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Landing"),
    data.integration ? [branch(data, status), notices(status), merged(data), line(data), recent(data)] : none(),
  );
}

function none() {
  return h(
    "section",
    { class: "card first" },
    h("h2", null, "Landing is off"),
    h(
      "p",
      null,
      "Agents work directly in the project folder. With worktrees, each task gets its own branch, and passing work is merged one task at a time.",
    ),
    h(
      "p",
      null,
      "To turn it on, set ",
      h("code", null, "isolation: worktree"),
      " in swarm.yaml beside the database, then restart the swarm. It is listed in ",
      h("a", { href: "/settings" }, "Settings"),
      ".",
    ),
    h("p", { class: "quiet" }, "It needs a git repository with a commit, and git 2.38 or newer."),
  );
}

const short = (sha) => h("code", { title: sha }, sha.slice(0, 10));

/** The three stages in a row, as text, so no separate table is needed. @param {any} data @param {Api.Status | null} status */
function branch(
  {
    integration: { branch: name, person_branch: person, tip, state },
    landing,
    waiting_total: waiting,
    waiting_since: since,
    late,
    recent: done,
  },
  status,
) {
  const station = (group, number, word, detail) =>
    h(
      "li",
      { "data-group": group },
      h("span", { class: "number" }, number),
      h("span", { class: "word" }, icon(group), word),
      h("span", { class: "quiet" }, detail),
    );
  return h(
    "section",
    { class: "card stations", key: "branch", "aria-label": "From passed to landed" },
    h(
      "ol",
      null,
      station(waiting ? "scheduled" : "not_started", count(waiting), "approved", [
        "passed, waiting their turn",
        since && [", the first for ", h("span", { class: late ? "silent" : null }, elapsed(since))],
      ]),
      station(
        landing ? "in_progress" : "not_started",
        landing ? "1" : "0",
        "landing",
        landing ? [taskLink(landing.id), " for ", elapsed(landing.claimed_at)] : "one at a time",
      ),
      station(
        "completed",
        status ? count(status.tasks.completed.count) : "–",
        "completed",
        done.length && done[0].landed ? ["last ", at(done[0].at)] : "on the branch",
      ),
    ),
    h(
      "dl",
      { class: "facts" },
      fact("Lands on", h("code", null, name)),
      fact("Head commit", short(tip)),
      fact("Tracks", person ? h("code", null, person) : "no branch"),
      fact(
        "Status",
        { following: "up to date", stopped: "stopped", accepting: "continues from its current state" }[state] ?? state,
      ),
    ),
    h(
      "p",
      { class: "to-yours" },
      h("button", { type: "button", class: "primary", onclick: mergeInto }, `Merge into ${person ?? "your branch"}…`),
    ),
  );
}

const fact = (word, value) => h("div", { key: word }, h("dt", null, word), h("dd", null, value));

function line({ landing, waiting, waiting_total: total }) {
  if (!landing && !waiting.length) return h("p", { class: "quiet", key: "line" }, "Nothing is waiting to land.");
  const row = (task, place) =>
    h(
      "tr",
      { key: task.id },
      cell("Turn", { class: "c-number" }, place),
      cell("Task", { class: "c-name" }, taskName(task)),
      cell("Passed", { class: "c-time" }, task.approved_at ? [elapsed(task.approved_at), " ago"] : "–"),
      cell("Worker", { class: "c-worker" }, task.worker_id ?? "–"),
      cell(
        "Earlier refusals",
        { class: "c-number" },
        task.landing_failures ? plural(task.landing_failures, "time") : "–",
      ),
    );
  return h(
    "section",
    { class: "card flush", key: "line" },
    h(
      "h2",
      { class: "bar-head" },
      "Waiting to land",
      total > waiting.length && h("span", { class: "quiet" }, `the first ${waiting.length} of ${count(total)}`),
    ),
    table(
      "to-land",
      "Tasks waiting to land",
      ["Turn", "Task", "Passed", "Worker", "Earlier refusals"],
      [landing && row(landing, "now"), ...waiting.map((task, place) => row(task, String(place + 1)))].filter(Boolean),
    ),
  );
}

const STATES = { done: "completed", refused: "failed", expired: "failed", pending: "in_progress" };

/** Requests to merge into your branches, with their outcome and a way to undo them. */
function merged({ merged: rows }) {
  if (!rows.length) return null;
  // Only the last change of a branch can be undone.
  const isLast = (row) => rows.find(({ target, status }) => target === row.target && status === "done") === row;
  return h(
    "section",
    { class: "card flush", key: "merged" },
    h("h2", { class: "bar-head" }, "Merged into your branches"),
    table(
      "merged",
      "Merged into your branches",
      ["When", "Outcome", "Branch", "Result", "Undo"],
      rows.map((row) => {
        const { new: head, undo, undo_command: undoCommand } = row.argument;
        return h(
          "tr",
          { key: row.id },
          cell("When", { class: "c-time" }, h("time", { title: row.created_at }, moment(row.created_at))),
          cell(
            "Outcome",
            { class: "c-status" },
            h(
              "span",
              { class: "badge", "data-group": STATES[row.status] },
              icon(STATES[row.status]),
              row.status === "done" ? (undo ? "undone" : "merged") : row.status,
            ),
          ),
          cell("Branch", { class: "c-name" }, h("code", null, row.target)),
          cell("Result", { class: "c-text" }, row.result ?? row.hint ?? "–"),
          cell(
            "Undo",
            { class: "c-verbs" },
            head && !undo && isLast(row)
              ? [
                  h("button", { type: "button", class: "small", onclick: () => undoLanding(row) }, "Undo"),
                  copyButton(undoCommand),
                ]
              : "–",
          ),
        );
      }),
    ),
  );
}

function recent({ recent: done }) {
  if (!done.length) return empty("Nothing has landed yet.");
  return h(
    "section",
    { class: "card flush", key: "recent" },
    h("h2", { class: "bar-head" }, "Recent landings"),
    table(
      "landed",
      "Recent landings",
      ["When", "Outcome", "Task", "Commit"],
      done.map((one) => {
        const group = one.landed ? "completed" : "failed";
        return h(
          "tr",
          { key: one.id },
          cell("When", { class: "c-time" }, h("time", { title: one.at }, moment(one.at))),
          cell(
            "Outcome",
            { class: "c-status" },
            h("span", { class: "badge", "data-group": group }, icon(group), one.landed ? "landed" : "refused"),
          ),
          cell(
            "Task",
            { class: "c-name" },
            taskLink(one.task_id, null, { class: "id", "data-row": "" }),
            " ",
            h("span", null, one.name),
          ),
          cell(
            "Commit",
            { class: "c-text" },
            one.commit ? short(one.commit) : h("span", { class: "quiet" }, one.message),
          ),
        );
      }),
    ),
  );
}
