// Task: where it stands, how it got there, what can be done, and everything that was written about it.

import { get } from "../api.js";
import { h } from "../dom.js";
import { between, bytes, duration, heldBecause, hours, moment, plural, statusWord } from "../format.js";
import { LogView } from "../logview.js";
import { at, badge, cell, elapsed, empty, icon, table, taskLink } from "../pieces.js";
import { TASK_VERBS, doTask } from "../verbs.js";

export const name = "task";
export const follows = true;
export const title = ({ id }) => id;

const TABS = { attempts: "Attempts", log: "Log", checks: "Checks and verdict", prompt: "Prompt", definition: "Definition", links: "Dependencies", events: "Events" };
const STEPS_SHOWN = 9;
let tail = null;

export async function load({ id, query }, signal) {
  const task = await get(`/api/tasks/${encodeURIComponent(id)}`, {}, signal);
  const attempt = chosenAttempt(task, query);
  let prompts = null;
  if (query.get("tab") === "prompt" && attempt) {
    ({ prompts } = await get(`/api/tasks/${encodeURIComponent(id)}/attempts/${attempt.number}/prompts`, {}, signal));
  }
  tail?.log.nudge();
  return { task, attempt, prompts };
}

export function leave() {
  tail?.log.stop();
  tail = null;
}

function chosenAttempt(task, query) {
  const wanted = Number(query.get("attempt"));
  return task.attempts.find((attempt) => attempt.number === wanted) ?? task.attempts.at(-1) ?? null;
}

export function view(context) {
  const { data: { task }, place: { query } } = context;
  const current = query.get("tab") in TABS ? query.get("tab") : "attempts";
  if (current !== "log") leave();
  return h("div", { class: "screen task" },
    h("header", { class: "task-head" },
      h("p", { class: "crumb" }, h("a", { href: "/tasks" }, "Tasks"), " / ", h("span", { class: "id" }, task.id)),
      h("h1", null, task.name),
      h("p", { class: "state" }, badge(task), " ", standing(task)),
      facts(task)),
    path(task),
    actions(task),
    h("nav", { class: "tabs", "aria-label": "About this task" }, Object.entries(TABS).map(([key, word]) =>
      h("a", { href: `?${changed(query, { tab: key })}`, "aria-current": key === current ? "true" : null, key }, word))),
    h("section", { class: "card tab", key: `tab-${current}` }, SHOW[current](context)));
}

function changed(query, change) {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(change)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  return next.toString();
}

/** In one sentence why it is where it is. */
function standing(task) {
  if (task.status === "held") return heldBecause(task.hold_reason) + (task.last_error ? ` ${task.last_error}` : "");
  if (task.status === "failed") return task.last_error ?? "No retry is left.";
  if (task.status === "blocked") {
    const open = task.needs.filter((need) => need.status !== "completed");
    return ["waits for ", open.slice(0, 6).map((need, place) => [place ? ", " : "", taskLink(need.id), ` (${statusWord(need.status)})`]),
      open.length > 6 && ` and ${open.length - 6} more`];
  }
  if (task.status === "scheduled") return ["tries again at ", at(task.due_at), task.last_error ? ` after: ${task.last_error}` : ""];
  if (task.group === "in_progress") return [`attempt ${task.attempt_count} on ${task.worker_id ?? "a worker"}, `, elapsed(task.claimed_at)];
  if (task.status === "completed") return ["at ", at(task.completed_at)];
  return task.last_error ? `last time: ${task.last_error}` : "";
}

function facts(task) {
  const shown = {
    Phase: task.phase, Type: task.type, Priority: String(task.priority), Tries: String(task.attempt_count),
    Estimated: task.estimated_hours === null ? "" : hours(task.estimated_hours), Note: task.note,
  };
  return h("dl", { class: "facts" }, Object.entries(shown).filter(([, value]) => value).map(([word, value]) =>
    h("div", { key: word }, h("dt", null, word), h("dd", null, value))));
}

const STEP_GROUP = {
  imported: "not_started", claimed: "in_progress", started: "in_progress", validated: "in_progress", checked: "in_progress",
  completed: "completed", failed: "failed", held: "held", killed: "held", cancelled: "cancelled", retry_scheduled: "scheduled",
  requeued: "scheduled", orphaned: "failed", manual_retry: "not_started", released: "not_started",
};

function path(task) {
  const steps = [{ event_type: "created", timestamp: task.created_at, message: "" },
    ...task.log.filter((event) => event.event_type in STEP_GROUP && event.event_type !== "imported")];
  const left = Math.max(0, steps.length - STEPS_SHOWN);
  const shown = left ? [steps[0], ...steps.slice(left + 1)] : steps;
  return h("ol", { class: "path", "aria-label": "Path so far" }, shown.map((step, place) => {
    const next = shown[place + 1];
    const word = step.event_type === "started" ? step.message.split(" ")[0] : step.event_type.replace("_", " ");
    return [
      left > 0 && place === 1 && h("li", { class: "left-out" }, `… ${left} more`),
      h("li", { "data-group": STEP_GROUP[step.event_type] ?? "not_started", title: [step.worker_id, step.message].filter(Boolean).join(": ") },
        icon(STEP_GROUP[step.event_type] ?? "not_started"),
        h("span", { class: "word" }, word), h("span", { class: "time" }, at(step.timestamp)),
        h("span", { class: "took" }, next ? `+${duration(between(step.timestamp, next.timestamp))}`
          : task.group === "in_progress" ? elapsed(step.timestamp, "+") : "\u00a0"))];
  }));
}

function actions(task) {
  if (!task.verbs.length) return null;
  const takesNote = task.verbs.includes("retry");
  return h("section", { class: "card actions", "aria-label": "What you can do" },
    takesNote && h("div", { class: "note" },
      h("label", { for: "note" }, "Note for the next attempt"),
      h("textarea", { id: "note", rows: 2, placeholder: "What should the agent know this time? (goes with Retry)", "data-own": "" })),
    h("ul", null, task.verbs.map((verb) => h("li", { key: verb },
      h("button", { type: "button", class: TASK_VERBS[verb].kind ?? "", "data-verb": verb, onclick: () => act(verb, task) }, TASK_VERBS[verb].label),
      h("span", { class: "does" }, TASK_VERBS[verb].does(task))))));
}

async function act(verb, task) {
  const field = document.getElementById("note");
  const note = verb === "retry" ? field?.value.trim() : "";
  await doTask(verb, task, verb === "retry" ? (note ? { note } : {}) : undefined);
  if (note && field) field.value = "";
}

const SHOW = { attempts, log, checks, prompt, definition, links, events };

function attempts({ data: { task }, place: { query } }) {
  if (!task.attempts.length) return empty("Nobody has tried it yet.");
  let before = null;
  const rows = task.attempts.map((attempt) => {
    const same = attempt.error && attempt.error === before;
    before = attempt.error ?? before;
    const outcome = attempt.outcome ?? "running";
    const group = { passed: "completed", failed: "failed", killed: "held", cancelled: "cancelled" }[outcome] ?? "in_progress";
    return h("tr", { key: attempt.id },
      cell("Try", { class: "c-number" }, h("a", { href: `?${changed(query, { tab: "log", attempt: attempt.number })}`, "data-row": "" }, `${attempt.number}`)),
      cell("Outcome", { class: "c-status" }, h("span", { class: "badge", "data-group": group }, icon(group), outcome,
        attempt.failure_class && ` (${attempt.failure_class})`)),
      cell("Began", { class: "c-time" }, at(attempt.claimed_at)),
      cell("Took", { class: "c-time" }, attempt.ended_at ? duration(between(attempt.claimed_at, attempt.ended_at)) : elapsed(attempt.claimed_at)),
      cell("Worker", { class: "c-worker" }, attempt.worker_id),
      cell("Cost", { class: "c-number" }, attempt.cost_usd === null ? "–" : `$${attempt.cost_usd.toFixed(2)}`),
      cell("What happened", { class: "c-text" }, same && h("em", { class: "same" }, "same as before "), attempt.error ?? "–"));
  });
  return [task.attempts_left_out > 0 && h("p", { class: "quiet" }, `${plural(task.attempts_left_out, "earlier attempt")} not shown`),
    table("attempts", ["Try", "Outcome", "Began", "Took", "Worker", "Cost", "What happened"], rows)];
}

function log({ data: { task, attempt }, place: { query }, go }) {
  if (!attempt) return empty("Nobody has tried it yet.");
  const sessions = attempt.sessions;
  const wanted = Number(query.get("session"));
  const session = sessions.find((one) => one.id === wanted) ?? sessions.at(-1);
  if (!session) return empty(`Attempt ${attempt.number} has not started a session yet.`);
  const key = `${task.id} ${attempt.number} ${session.id}`;
  if (tail?.key !== key) {
    leave();
    const place = { line: Number(query.get("line")) || null, find: query.get("find") ?? "" };
    tail = { key, log: new LogView(task.id, attempt.number, session.id, place, note) };
  }
  const own = tail.log;
  return [
    h("div", { class: "toolbar" },
      attemptChooser(task, attempt, (number) => go(`?${changed(query, { attempt: number, session: "", line: "" })}`)),
      h("nav", { class: "tabs small", "aria-label": "Session" }, sessions.map((one) =>
        h("a", { href: `?${changed(query, { session: one.id, line: "" })}`, "aria-current": one === session ? "true" : null, key: one.id, title: one.name },
          one.role === "check" ? `check: ${one.name}` : one.role,
          one.exit_code !== null && one.exit_code !== 0 && h("span", { class: "n" }, `exit ${one.exit_code}`)))),
      h("span", { class: "quiet" }, session.ended_at
        ? `${bytes(session.output_bytes)} in ${duration(between(session.started_at, session.ended_at))}` : "live")),
    // Drawn once: on later drawings the old place keeps the node that it has.
    h("div", { class: "log-place", key, "data-own": "" }, own.node.isConnected ? null : own.node)];
}

/** Where one stands in a log belongs to the address, but is no step to go back to. */
function note(place) {
  const query = changed(new URLSearchParams(location.search), place);
  history.replaceState(history.state, "", `?${query}`);
}

function attemptChooser(task, attempt, choose, label = "Attempt") {
  return h("select", { "aria-label": label, onchange: (event) => choose(event.target.value) },
    task.attempts.map((one) => h("option", { value: one.number, selected: one === attempt }, `attempt ${one.number}`)));
}

function checks({ data: { attempt } }) {
  if (!attempt) return empty("Nobody has tried it yet.");
  const { check_results: results, validator_result: verdict, builder_result: built } = attempt;
  return [
    h("h2", null, `Attempt ${attempt.number}`),
    h("h3", null, "Checks"),
    results?.length ? h("ul", { class: "checks" }, results.map((result, place) => h("li", { key: place, "data-group": result.passed ? "completed" : "failed" },
      icon(result.passed ? "completed" : "failed"),
      h("div", null, h("code", null, result.command ?? result.name ?? `check ${place + 1}`), " ",
        h("span", { class: "quiet" }, result.passed ? "passed" : `failed${result.exit_code === undefined ? "" : `, exit ${result.exit_code}`}`),
        result.output && h("pre", { class: "log short" }, result.output)))))
      : h("p", { class: "quiet" }, "No checks were run."),
    h("h3", null, "Verdict"), verdict ? judged(verdict) : h("p", { class: "quiet" }, "No verdict was given."),
    h("h3", null, "What the builder says"), built ? json(built) : h("p", { class: "quiet" }, "No result was given.")];
}

function judged(verdict) {
  const lists = { critical_issues: "Critical issues", recommendations: "Recommendations" };
  const passed = String(verdict.verdict).toUpperCase() === "PASS";
  return h("div", null,
    h("p", null, h("span", { class: "badge", "data-group": passed ? "completed" : "failed" }, icon(passed ? "completed" : "failed"), String(verdict.verdict ?? "?")),
      verdict.summary && ` ${verdict.summary}`),
    Object.entries(lists).map(([key, word]) => Array.isArray(verdict[key]) && verdict[key].length > 0 && h("div", { key }, h("h4", null, word),
      h("ul", null, verdict[key].map((item) => h("li", null, typeof item === "string" ? item : JSON.stringify(item)))))),
    h("details", null, h("summary", null, "All of it"), json(verdict)));
}

const json = (value) => h("pre", { class: "text" }, JSON.stringify(value, null, 2));

function prompt({ data: { attempt, prompts } }) {
  if (!attempt) return empty("Nobody has tried it yet.");
  if (!prompts?.length) return empty(`Attempt ${attempt.number} has no prompt yet.`);
  return prompts.map((one) => h("div", { key: one.id }, h("h2", null, `${one.role} · ${one.name}`), h("pre", { class: "text" }, one.prompt)));
}

function definition({ data: { task } }) {
  return [
    task.description && h("div", { key: "d" }, h("h2", null, "Description"), h("pre", { class: "text prose" }, task.description)),
    task.acceptance_criteria.length > 0 && h("div", { key: "a" }, h("h2", null, "Acceptance criteria"),
      h("ul", { class: "prose" }, task.acceptance_criteria.map((text) => h("li", null, text)))),
    task.files.length > 0 && h("div", { key: "f" }, h("h2", null, "Files"), h("ul", { class: "prose" }, task.files.map((text) => h("li", null, h("code", null, text))))),
    h("details", { open: !task.description }, h("summary", null, "As the task file states it"), json(task.definition))];
}

function links({ data: { task } }) {
  const side = (heading, rows, none) => h("div", { key: heading }, h("h2", null, heading), rows.length
    ? table("links", ["Status", "Task"], rows.map((row) => h("tr", { key: row.id },
        cell("Status", { class: "c-status" }, badge(row)),
        cell("Task", { class: "c-name" }, taskLink(row.id, null, { class: "id", "data-row": "" }), " ", h("span", null, row.name)))))
    : h("p", { class: "quiet" }, none));
  return h("div", { class: "columns two" }, side("Needs", task.needs, "Nothing: it can start at any time."), side("Needed by", task.dependents, "No other task waits for it."));
}

function events({ data: { task } }) {
  return table("events", ["When", "What", "Worker", "Words"], [...task.log].reverse().map((event) => h("tr", { key: event.id },
    cell("When", { class: "c-time" }, h("time", { title: event.timestamp }, moment(event.timestamp))),
    cell("What", { class: "c-verb" }, event.event_type.replaceAll("_", " ")),
    cell("Worker", { class: "c-worker" }, event.worker_id ?? "–"),
    cell("Words", { class: "c-text" }, event.message))));
}
