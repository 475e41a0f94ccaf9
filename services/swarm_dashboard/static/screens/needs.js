// Needs you: everything that waits for a person, why, and the one thing to do next.

import { get } from "../api.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { elapsed, empty, icon, taskLink, taskPath } from "../pieces.js";
import { releaseAsGone, retryWithNote, taskButton } from "../verbs.js";
import { warnings } from "../warnings.js";

export const name = "needs";
export const title = () => "Needs you";
export const follows = true;
export const keys = { r: ["do what the row's first button says", () => focusedRow()?.querySelector("button")?.click()] };

// Where to read what led to it.
const EVIDENCE = { objection: ["checks", "Read the verdict"], not_landed: ["events", "See what was refused"], same_problem: ["attempts", "See both"], by_person: null, as_imported: null };
const LOG = ["log", "Read the log"];
const MOST_VERBS = 3;

export const load = ({ query }, signal) => get("/api/needs", { cursor: query.get("cursor") }, signal);

const focusedRow = () => document.activeElement?.closest?.("main li");

export function view({ data, status, place: { query } }) {
  const swarm = status ? warnings(status) : [];
  return h("div", { class: "screen" },
    h("h1", { class: "unseen" }, "Needs you"),
    swarm.length > 0 && h("section", { class: "warnings", "aria-label": "The swarm", key: "swarm" }, swarm),
    data.tasks.length ? h("section", { class: "card flush", key: "held", "aria-label": "Held tasks" },
      h("h2", { class: "bar-head" }, plural(data.total, "held task"), h("span", { class: "quiet" }, "They stay where they are until you decide.")),
      h("ul", { class: "asks", "data-calm": "" }, data.tasks.map(held)))
      : swarm.length === 0 && nothing(status),
    status && failures(status),
    pager(query, data));
}

function held(task) {
  const evidence = task.hold_reason in EVIDENCE ? EVIDENCE[task.hold_reason] : LOG;
  const [first, ...rest] = task.verbs;
  return h("li", { key: task.id, "data-group": "held" },
    icon("held"),
    h("div", { class: "ask" },
      h("p", { class: "head" }, taskLink(task.id, null, { class: "id", "data-row": "" }), " ", h("span", null, task.name)),
      h("p", { class: "reason" }, h("strong", null, sentence(task.why)), " ", task.last_error && h("span", { class: "why" }, task.last_error)),
      h("p", { class: "quiet small" }, "held for ", elapsed(task.updated_at), task.attempt_count > 0 && ` · ${plural(task.attempt_count, "try", "tries")}`,
        task.phase && ` · ${task.phase}`,
        evidence && task.attempt_count > 0 && [" · ", h("a", { href: `${taskPath(task.id)}?tab=${evidence[0]}` }, evidence[1])])),
    h("div", { class: "acts", "data-steady": "" }, task.next ? decisions(task, first, rest) : onYourWord(task)));
}

function onYourWord(task) {
  return [h("span", { class: "quiet" }, "The reaper keeps trying."),
    h("button", { type: "button", class: "small danger", "aria-label": `They are gone: release… ${task.id}`, onclick: () => releaseAsGone(task) }, "They are gone: release…")];
}

function decisions(task, first, rest) {
  return [taskButton(first, task, "primary"),
    h("button", { type: "button", class: "small", "aria-label": `Retry with a note… ${task.id}`, onclick: () => retryWithNote(task) }, "Retry with a note…"),
    rest.filter((verb) => verb !== "prioritize").slice(0, MOST_VERBS).map((verb) => taskButton(verb, task))];
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

function nothing(status) {
  const left = status && status.tasks.not_started.count + status.tasks.in_progress.count;
  return empty(h("strong", null, "Nothing needs you."), " ",
    left ? `${plural(left, "task")} go${left === 1 ? "es" : ""} on without you.` : "",
    " What is held, and why, will stand here.");
}

function failures(status) {
  const n = status.tasks.failed.count;
  if (!n) return null;
  return h("p", { class: "quiet", key: "failures" }, `Beside these, ${plural(n, "task")} failed for good: `, h("a", { href: "/failures" }, "see them by cause"), ".");
}

function pager(query, { cursor }) {
  if (!query.get("cursor") && cursor === null) return null;
  return h("nav", { class: "pager", "aria-label": "Pages", key: "pager" },
    query.get("cursor") && h("a", { class: "button", href: "/needs" }, "First page"),
    cursor !== null && h("a", { class: "button", href: `/needs?cursor=${cursor}` }, "Next page"));
}
