// @ts-check
// Task: its state and history, available actions, and tabs for everything else.

import { get } from "../api.js";
import { clearComments, commentsOn, noteOf } from "../diff/comments.js";
import { diffView } from "../diff/diffview.js";
import { h } from "../dom.js";
import {
  between,
  bytes,
  capitalized,
  duration,
  eventWord,
  heldBecause,
  hours,
  plural,
  readable,
  statusWord,
} from "../format.js";
import { firsts, offered, whatToDo } from "../frame/warnings.js";
import { LogView } from "../log/logview.js";
import { capBar } from "../nowcards/budget.js";
import { at, badge, copyButton, elapsed, empty, icon, taskLink } from "../pieces.js";
import { editTask } from "../requests/taskform.js";
import { doTask, TASK_VERBS } from "../requests/verbs.js";
import { changed } from "../tasktabs/address.js";
import { attempts, pair } from "../tasktabs/attempts.js";
import { checks, verdictAbove } from "../tasktabs/checks.js";
import { definition, events, links, prompt } from "../tasktabs/texts.js";

export const name = "task";
export const follows = true;
export const title = ({ id }) => id;

const TABS = {
  attempts: "Attempts",
  log: "Log",
  diff: "Diff",
  checks: "Checks and verdict",
  prompt: "Prompt",
  definition: "Definition",
  links: "Dependencies",
  events: "Events",
};
const STEPS_SHOWN = 9;
// Running, passed and completed tasks keep the definition that they ran with.
const EDITABLE = new Set(["not_started", "blocked", "waiting_files", "scheduled", "held", "failed", "cancelled"]);
/** @type {{ key: string, log: LogView } | null} */
let tail = null;
/** @type {{ id: string, tab: string } | null} */
let opened = null; // the tab that was opened first stays when the task's status changes

// Reasons for waiting that the status line gives already, with links and a Retry button.
const SAID_ABOVE = new Set(["dependency", "dependency_ended"]);
// Statuses with a reason for waiting that the task's own fields do not show.
const WAITS = new Set(["not_started", "waiting_files", "blocked", "scheduled", "approved"]);

export async function load({ id, query }, signal) {
  const path = `/api/tasks/${encodeURIComponent(id)}`;
  const task = await get(path, {}, signal);
  const attempt = chosenAttempt(task, query);
  const tab = tabOf(task, query);
  const ask = (isWanted, more, parameters = {}) => (isWanted ? get(`${path}${more}`, parameters, signal) : null);
  const two = tab === "attempts" && task.attempts.length > 1 ? pair(task, query) : null;
  const [why, prompts, next, difference, ...compared] = await Promise.all([
    ask(WAITS.has(task.status), "/why"),
    ask(tab === "prompt" && attempt, `/attempts/${attempt?.number}/prompts`),
    ask(tab === "prompt", "/next-prompt"),
    ask(tab === "diff" && attempt, `/attempts/${attempt?.number}/diff`, { since: query.get("since") }),
    ...(two ?? []).map((one) => ask(one.changed, `/attempts/${one.number}/diff`)),
  ]);
  const changes = two && compared.map((one) => one?.change ?? null);
  return { task, attempt, why, prompts: prompts?.prompts ?? null, next, difference, changes };
}

export function leave() {
  endLog();
  opened = null;
}

function endLog() {
  tail?.log.stop();
  tail = null;
}

/**
 * The tab in the address; otherwise the most useful one: the live log of a running task, the failure of a failed one,
 * the diff of a completed one.
 * @param {Api.Task} task
 */
function tabOf(task, query) {
  const named = query.get("tab");
  if (named in TABS) return named;
  if (opened?.id === task.id) return opened.tab;
  const attempt = chosenAttempt(task, query);
  const tab = attempt && usefulTab(task, attempt);
  if (tab) opened = { id: task.id, tab };
  return tab ?? (attempt ? "attempts" : "definition");
}

function usefulTab(task, attempt) {
  if (task.group === "in_progress") return attempt.sessions.length ? "log" : null;
  if (task.group === "completed") return attempt.changed ? "diff" : "checks";
  if (task.group !== "failed" && task.group !== "held") return null;
  // An objection is about the work, and the verdict is above it.
  if (task.cause === "validator" && attempt.changed) return "diff";
  if (wasJudged(attempt)) return "checks";
  return whatSpoke(attempt) && !attempt.question ? "log" : null;
}

const wasJudged = (attempt) =>
  attempt.validator_result !== null ||
  attempt.check_results?.some((result) => !result.passed) ||
  attempt.landings.some((landing) => landing.failure_class === "quality");

/** The session to show: the running one, the failed one, otherwise the last one with output. */
function whatSpoke({ sessions }) {
  const wrote = sessions.filter((session) => session.output_bytes > 0);
  return (
    sessions.findLast((session) => !session.ended_at) ??
    wrote.findLast((session) => session.exit_code !== null && session.exit_code !== 0) ??
    wrote.findLast((session) => session.role !== "check") ??
    wrote.at(-1)
  );
}

function chosenAttempt(task, query) {
  const wanted = Number(query.get("attempt"));
  return task.attempts.find((attempt) => attempt.number === wanted) ?? task.attempts.at(-1) ?? null;
}

/** @param {View<any>} context */
export function view(context) {
  const {
    data: { task, why },
    place: { query },
  } = context;
  const current = tabOf(task, query);
  if (current !== "log") endLog();
  return h(
    "div",
    { class: "screen task" },
    h(
      "header",
      { class: "task-head" },
      h(
        "p",
        { class: "crumb" },
        h("a", { href: "/tasks" }, "Tasks"),
        " / ",
        h("span", { class: "id" }, task.id),
        " ",
        copyButton(task.id),
        EDITABLE.has(task.status) &&
          h("button", { type: "button", class: "small plain", onclick: () => editTask(task.id) }, "Edit…"),
      ),
      h("h1", null, task.name),
      h("p", { class: "state" }, badge(task), " ", standing(task)),
      reasons(why),
      facts(task),
      task.budget.map((cap) =>
        h("div", { class: "own-budget", key: cap.unit }, capBar(cap, "Budget", "Budget of this task")),
      ),
    ),
    path(task),
    actions(task),
    h(
      "nav",
      { class: "tabs", "aria-label": "About this task" },
      Object.entries(TABS).map(([key, word]) =>
        h(
          "a",
          { href: `?${changed(query, { tab: key })}`, "aria-current": key === current ? "true" : null, key },
          word,
        ),
      ),
    ),
    h(
      "section",
      { class: "card tab", key: `tab-${current}` },
      CHOOSING.has(current) && chooser(context),
      SHOW[current](context),
    ),
  );
}

/** One sentence about the current state. */
function standing(task) {
  if (task.status === "held")
    return (
      heldBecause(task.hold_reason) +
      (task.question ? ` ${task.question}` : task.last_error ? ` ${task.last_error}` : "")
    );
  if (task.status === "failed") return task.last_error ?? "No retry is left.";
  if (task.status === "blocked") {
    const open = task.needs.filter((need) => need.status !== "completed");
    return [
      "waiting for ",
      open.slice(0, 6).map((need, place) => [place ? ", " : "", taskLink(need.id), ` (${statusWord(need.status)})`]),
      open.length > 6 && ` and ${open.length - 6} more`,
    ];
  }
  if (task.status === "scheduled")
    return ["next attempt at ", at(task.due_at), task.last_error ? ` after: ${task.last_error}` : ""];
  if (task.group === "in_progress")
    return [`attempt ${task.attempt_count} on ${task.worker_id ?? "a worker"}, `, elapsed(task.claimed_at)];
  if (task.status === "completed") return ["at ", at(task.completed_at)];
  return task.last_error ? `last attempt: ${task.last_error}` : "";
}

/** Why it waits, with a button or link where there is one; a command only where it takes a terminal. */
function reasons(why) {
  const shown = (why?.reasons ?? []).filter(({ kind }) => !SAID_ABOVE.has(kind));
  if (!shown.length) return null;
  const offers = firsts(shown);
  return h(
    "ul",
    { class: "reasons" },
    shown.map((reason) =>
      h(
        "li",
        { key: `${reason.kind} ${reason.text.slice(0, 40)}` },
        `${capitalized(readable(reason.text))}. `,
        whatToDo(reason),
        offers.has(reason) && offered(reason.action),
        reason.task && [" ", taskLink(reason.task, "Show it", { class: "button small" })],
      ),
    ),
  );
}

function facts(task) {
  const shown = {
    Phase: task.phase,
    Type: task.type,
    Priority: String(task.priority),
    Tries: String(task.attempt_count),
    Estimated: task.estimated_hours === null ? "" : hours(task.estimated_hours),
    Note: task.note,
  };
  return h(
    "dl",
    { class: "facts" },
    Object.entries(shown)
      .filter(([, value]) => value)
      .map(([word, value]) => h("div", { key: word }, h("dt", null, word), h("dd", null, value))),
  );
}

const STEP_GROUP = {
  imported: "not_started",
  claimed: "in_progress",
  started: "in_progress",
  validated: "in_progress",
  checked: "in_progress",
  completed: "completed",
  failed: "failed",
  held: "held",
  killed: "held",
  cancelled: "cancelled",
  retry_scheduled: "scheduled",
  requeued: "scheduled",
  landing_failed: "scheduled",
  landed: "completed",
  approved: "completed",
  orphaned: "failed",
  manual_retry: "not_started",
  answered: "not_started",
  released: "not_started",
};

function path(task) {
  const steps = [
    { event_type: "created", timestamp: task.created_at, message: "" },
    ...task.log.filter((event) => event.event_type in STEP_GROUP && event.event_type !== "imported"),
  ];
  const left = Math.max(0, steps.length - STEPS_SHOWN);
  const shown = left ? [steps[0], ...steps.slice(left + 1)] : steps;
  return h(
    "ol",
    { class: "path", "aria-label": "History" },
    shown.map((step, place) => {
      const next = shown[place + 1];
      const word = step.event_type === "started" ? step.message.split(" ")[0] : eventWord(step.event_type);
      return [
        left > 0 && place === 1 && h("li", { class: "left-out" }, `… ${left} more`),
        h(
          "li",
          {
            "data-group": STEP_GROUP[step.event_type] ?? "not_started",
            title: [step.worker_id, step.message].filter(Boolean).join(": "),
          },
          icon(STEP_GROUP[step.event_type] ?? "not_started"),
          h("span", { class: "word" }, word),
          h("span", { class: "time" }, at(step.timestamp)),
          h(
            "span",
            { class: "took" },
            next
              ? `+${duration(between(step.timestamp, next.timestamp))}`
              : task.group === "in_progress"
                ? elapsed(step.timestamp, "+")
                : "\u00a0",
          ),
        ),
      ];
    }),
  );
}

function actions(task) {
  if (!task.verbs.length) return null;
  const takers = [task.verbs.includes("retry") && "Retry", task.verbs.includes("reject") && "Reject"].filter(Boolean);
  return h(
    "section",
    { class: "card actions", "aria-label": "What you can do" },
    takers.length > 0 &&
      h(
        "div",
        { class: "note" },
        h("label", { for: "note" }, "Note for the next attempt"),
        h("textarea", {
          id: "note",
          rows: 2,
          placeholder: `Optional. Sent with ${takers.join(" or ")}.`,
          "data-own": "",
        }),
      ),
    h(
      "ul",
      null,
      task.verbs.map((verb, place) =>
        h(
          "li",
          { key: verb },
          h(
            "button",
            {
              type: "button",
              class: TASK_VERBS[verb].kind ?? (place || task.status === "completed" ? "" : "primary"),
              "data-verb": verb,
              onclick: () => act(verb, task),
            },
            TASK_VERBS[verb].label,
          ),
          h("span", { class: "does" }, TASK_VERBS[verb].does(task)),
        ),
      ),
    ),
  );
}

async function act(verb, task) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById("note"));
  // Reject shows it again before it is sent.
  const draft = [field?.value.trim(), noteOf(task.id)].filter(Boolean).join("\n");
  const sent = await doTask(verb, { ...task, draft }, verb === "retry" && draft ? { note: draft } : {});
  if (!sent || (verb !== "retry" && verb !== "reject")) return;
  if (field) field.value = "";
  clearComments(task.id);
  drawn = { key: null, node: null };
}

const CHOOSING = new Set(["checks", "prompt"]);

function chooser({ data: { task, attempt }, place: { query }, go }) {
  return (
    task.attempts.length > 1 &&
    h(
      "div",
      { class: "toolbar" },
      attemptChooser(task, attempt, (number) => go(`?${changed(query, { attempt: number })}`)),
    )
  );
}

const SHOW = { attempts, log, diff, checks, prompt, definition, links, events };

function log({ data: { task, attempt }, place: { query }, go }) {
  if (!attempt) return empty("No attempts yet.");
  const sessions = attempt.sessions;
  const wanted = Number(query.get("session"));
  const session = sessions.find((one) => one.id === wanted) ?? whatSpoke(attempt) ?? sessions.at(-1);
  if (!session) return empty(`Attempt ${attempt.number} has not started a session yet.`);
  const key = `${task.id} ${attempt.number} ${session.id}`;
  if (tail?.key !== key) {
    endLog();
    const place = { line: Number(query.get("line")) || null, find: query.get("find") ?? "" };
    tail = { key, log: new LogView(task.id, attempt.number, session.id, place, note) };
  }
  const own = tail.log;
  return [
    h(
      "div",
      { class: "toolbar" },
      attemptChooser(task, attempt, (number) => go(`?${changed(query, { attempt: number, session: "", line: "" })}`)),
      h(
        "nav",
        { class: "tabs small", "aria-label": "Session" },
        sessions.map((one) =>
          h(
            "a",
            {
              href: `?${changed(query, { session: one.id, line: "" })}`,
              "aria-current": one === session ? "true" : null,
              key: one.id,
              title: one.name,
            },
            one.role === "check" ? `check: ${one.name}` : one.role,
            one.exit_code !== null && one.exit_code !== 0 && h("span", { class: "n" }, `exit ${one.exit_code}`),
          ),
        ),
      ),
      h(
        "span",
        { class: "quiet" },
        session.ended_at
          ? `${bytes(session.output_bytes)} in ${duration(between(session.started_at, session.ended_at))}`
          : "live",
        session.models && `, ${session.models}`,
      ),
    ),
    // Inserted once; later drawings keep the node.
    h("div", { class: "log-place", key, "data-own": "" }, own.node.isConnected ? null : own.node),
  ];
}

/** Put the position in a log into the address, without a new entry in the history. */
function note(place) {
  const query = changed(new URLSearchParams(location.search), place);
  history.replaceState(history.state, "", `?${query}`);
}

function attemptChooser(task, attempt, choose) {
  return h(
    "select",
    { "aria-label": "Attempt", onchange: (event) => choose(event.target.value) },
    task.attempts.map((one) => h("option", { value: one.number, selected: one === attempt }, `attempt ${one.number}`)),
  );
}

/** @type {{ key: string | null, node: any }} */
let drawn = { key: null, node: null };

function diff({ data: { task, attempt, difference }, place, go }) {
  const { query } = place;
  if (!attempt) return empty("No attempts yet.");
  const since = query.get("since") === "previous" ? "previous" : "base";
  const { change } = difference ?? { change: null };
  const split = query.get("sides") === "2";
  const key = `${task.id} ${attempt.number} ${since} ${split} ${change?.head_sha}`;
  // Drawn once per commit, so that expanded files stay expanded.
  if (drawn.key !== key) {
    const how = { task: task.id, split, commented: place.again };
    drawn = { key, node: change ? diffView(change, how) : noChange(attempt, since) };
  }
  return [
    h(
      "div",
      { class: "toolbar" },
      attemptChooser(task, attempt, (number) => go(`?${changed(query, { attempt: number })}`)),
      h(
        "nav",
        { class: "tabs small", "aria-label": "Compared with" },
        h(
          "a",
          { href: `?${changed(query, { since: "" })}`, "aria-current": since === "base" ? "true" : null, key: "base" },
          "Whole change",
        ),
        h(
          "a",
          {
            href: `?${changed(query, { since: "previous" })}`,
            "aria-current": since === "previous" ? "true" : null,
            key: "previous",
          },
          "This attempt only",
        ),
      ),
      h(
        "nav",
        { class: "tabs small", "aria-label": "Columns" },
        [
          ["", "Unified"],
          ["2", "Side by side"],
        ].map(([sides, words]) =>
          h(
            "a",
            {
              key: words,
              href: `?${changed(query, { sides })}`,
              "aria-current": (query.get("sides") ?? "") === sides ? "true" : null,
            },
            words,
          ),
        ),
      ),
      change &&
        task.verbs.some((verb) => verb === "reject" || verb === "retry") &&
        h("span", { class: "quiet" }, "To comment on a line, click its number."),
    ),
    verdictAbove(task, attempt, `?${changed(query, { tab: "checks" })}`),
    comments(task, place.again),
    h("div", { class: "diff-place", key, "data-own": "" }, drawn.node.isConnected ? null : drawn.node),
  ];
}

/** Comments that have not been sent yet. */
function comments(task, again) {
  const n = commentsOn(task.id).length;
  return (
    n > 0 &&
    h(
      "p",
      { class: "warning comments", key: "comments" },
      h("strong", null, plural(n, "comment")),
      h("span", { class: "gap" }),
      ["reject", "retry"]
        .filter((verb) => task.verbs.includes(verb))
        .map((verb) =>
          h(
            "button",
            { type: "button", class: "small primary", key: verb, onclick: () => sendComments(verb, task) },
            verb === "reject" ? "Reject with comments…" : "Retry with comments",
          ),
        ),
      h(
        "button",
        {
          type: "button",
          class: "small",
          onclick: () => {
            clearComments(task.id);
            drawn = { key: null, node: null };
            again();
          },
        },
        "Discard",
      ),
    )
  );
}

async function sendComments(verb, task) {
  const sent = await doTask(
    verb,
    { ...task, draft: noteOf(task.id) },
    verb === "retry" ? { note: noteOf(task.id) } : {},
  );
  if (!sent) return;
  clearComments(task.id);
  drawn = { key: null, node: null };
}

function noChange(attempt, since) {
  if (since === "previous" && attempt.changed)
    return empty("This attempt did not build on an earlier one; the whole change is its own.");
  return empty(
    attempt.ended_at || attempt.head_sha
      ? "No change was recorded for this attempt. Changes are recorded for tasks that run in a worktree."
      : "Available once the builder has finished.",
  );
}
