// @ts-check
// Inbox: everything that will not continue by itself, grouped by cause, and what to do about it.

import { get } from "../api.js";
import { group, importedAsFailed, names } from "../causes.js";
import { h } from "../dom.js";
import { capitalized, heldBecause, plural } from "../format.js";
import { notices } from "../frame/warnings.js";
import { elapsed, empty, icon, taskName, taskPath } from "../pieces.js";
import { releaseAll, releaseAsGone, retryWithNote, taskButton } from "../requests/verbs.js";

export const name = "inbox";
export const title = () => "Inbox";
export const follows = true;
export const keys = {
  r: [
    "do what the row's first button says",
    () => /** @type {HTMLElement} */ (focusedRow()?.querySelector(".acts button"))?.click(),
  ],
};

// Where to read what caused it.
const EVIDENCE = {
  objection: ["diff", "See the change and the verdict"],
  not_landed: ["events", "See what was refused"],
  same_problem: ["attempts", "See both"],
  by_person: null,
  as_imported: null,
  proposed: null,
};
const LOG = ["log", "Read the log"];

export const load = ({ query }, signal) => get("/api/needs", { cursor: query.get("cursor") }, signal);

const focusedRow = () => document.activeElement?.closest?.("main li");

/** @param {View<Api.Needs>} context */
export function view({ data, status, place: { query } }) {
  const swarm = notices(status);
  const { failed, failing, held: holds, holding } = data.counts;
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Inbox"),
    swarm,
    failed > 0 &&
      h(
        "section",
        { class: "card flush", key: "failed", "aria-label": "Failed tasks" },
        h(
          "h2",
          { class: "bar-head" },
          `${plural(failed, "failed task")}, ${plural(failing, "cause")}`,
          h("span", { class: "quiet" }, "No retry is left; they won't run until you retry them."),
        ),
        h(
          "ul",
          { class: "asks", "data-calm": "" },
          data.groups.map((one) => group(one)),
          data.imported.tasks > 0 && importedAsFailed(data.imported),
        ),
      ),
    data.tasks.length > 0 &&
      h(
        "section",
        { class: "card flush", key: "held", "aria-label": "Held tasks" },
        h(
          "h2",
          { class: "bar-head" },
          `${plural(holds, "held task")}, ${plural(holding, "reason")}`,
          h("span", { class: "quiet" }, "They won't run until you decide."),
        ),
        h(
          "ul",
          { class: "asks", "data-calm": "" },
          data.reasons.map((one) => heldFor(one, data)),
        ),
      ),
    data.cancelled.tasks > 0 &&
      h(
        "section",
        { class: "card", key: "cancelled", "aria-label": "Cancelled tasks" },
        h(
          "p",
          null,
          h("strong", null, plural(data.cancelled.tasks, "cancelled task")),
          ` ${data.cancelled.tasks === 1 ? "is" : "are"} still needed by others. Retry them, or cancel what needs them.`,
        ),
        names(data.cancelled.task_ids),
      ),
    !failed && !data.tasks.length && !data.cancelled.tasks && !swarm && clear(),
    status && others(status),
    pager(query, data),
  );
}

/** Held tasks of this page with the same reason; the first one carries the buttons for all. */
function heldFor({ reason, tasks: total }, data) {
  const tasks = data.tasks.filter((task) => (task.hold_reason ?? "") === reason);
  const all = tasks.length > 1 && tasks.every((task) => task.next === "release" && task.verbs.includes("release"));
  const ids = tasks.map((task) => task.id);
  const head = h(
    "p",
    { class: "reason-head" },
    h("strong", null, heldBecause(reason)),
    h("span", { class: "quiet" }, plural(total, "task")),
    h("span", { class: "gap" }),
    all && h("button", { type: "button", class: "small", onclick: () => releaseAll(ids) }, `Release all ${ids.length}`),
  );
  return tasks.map((task, place) => held(task, place || total === 1 ? null : head));
}

function held(task, head) {
  const evidence = task.hold_reason in EVIDENCE ? EVIDENCE[task.hold_reason] : LOG;
  return h(
    "li",
    { key: task.id, "data-group": "held" },
    head,
    icon("held"),
    h(
      "div",
      { class: "ask" },
      h("p", { class: "head" }, taskName(task)),
      h(
        "p",
        { class: "reason" },
        h("strong", null, `${capitalized(task.why)}.`),
        " ",
        (task.question ?? task.last_error) && h("span", { class: "why" }, task.question ?? task.last_error),
      ),
      h(
        "p",
        { class: "quiet small" },
        "held for ",
        elapsed(task.updated_at),
        task.attempt_count > 0 && ` · ${plural(task.attempt_count, "try", "tries")}`,
        task.phase && ` · ${task.phase}`,
        evidence &&
          task.attempt_count > 0 && [" · ", h("a", { href: `${taskPath(task.id)}?tab=${evidence[0]}` }, evidence[1])],
      ),
    ),
    h("div", { class: "acts", "data-steady": "" }, task.next ? decisions(task) : onYourWord(task)),
  );
}

function onYourWord(task) {
  return [
    h("span", { class: "quiet" }, "The reaper keeps trying."),
    h(
      "button",
      {
        type: "button",
        class: "small danger",
        "aria-label": `Nothing is running: release… ${task.id}`,
        onclick: () => releaseAsGone(task),
      },
      "Nothing is running: release…",
    ),
  ];
}

/** What usually helps, an alternative with your own words, and giving up; the task's screen offers everything. */
function decisions(task) {
  const withNote = h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `Retry with a note… ${task.id}`,
      onclick: () => retryWithNote(task),
    },
    "Retry with a note…",
  );
  return [
    taskButton(task.next, task, "primary"),
    task.next === "approve" ? taskButton("reject", task) : withNote,
    taskButton("cancel", task),
  ];
}

const clear = () => empty(h("strong", null, "All clear."), " Failed and held tasks will appear here, with the reason.");

/** How many tasks wait behind these, and how many continue without you. */
function others(status) {
  const open = status.tasks.not_started.count + status.tasks.in_progress.count - status.stuck;
  const parts = [
    status.stuck > 0 && `${plural(status.stuck, "task")} wait${status.stuck === 1 ? "s" : ""} behind these.`,
    open > 0 &&
      `${plural(open, "task")} ${open === 1 ? "is" : "are"} ${status.stalled ? "queued." : "still in progress or queued."}`,
  ].filter(Boolean);
  return parts.length > 0 && h("p", { class: "quiet", key: "others" }, parts.join(" "));
}

function pager(query, { cursor }) {
  if (!query.get("cursor") && cursor === null) return null;
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages", key: "pager" },
    query.get("cursor") && h("a", { class: "button", href: "/inbox" }, "First page"),
    cursor !== null && h("a", { class: "button", href: `/inbox?cursor=${cursor}` }, "Next page"),
  );
}
