// @ts-check
// The texts of a task: prompts, definition, dependencies and events.

import { h } from "../dom.js";
import { eventWord, moment } from "../format.js";
import { badge, cell, empty, table, taskName } from "../pieces.js";
import { json } from "./checks.js";

export function prompt({ data: { attempt, prompts, next } }) {
  return [
    next?.prompt &&
      h(
        "section",
        { key: "next" },
        h("h2", null, `Prompt for attempt ${next.attempt}`),
        next.resumes && h("p", { class: "resumes" }, "Continues session ", h("code", null, next.resumes), "."),
        h("pre", { class: "text", tabindex: "0" }, next.prompt),
      ),
    next?.problem && h("p", { class: "warning", key: "problem" }, next.problem),
    prompts?.length
      ? prompts.map((one) =>
          h(
            "section",
            { key: one.id },
            h(
              "h2",
              null,
              `Prompt of the ${one.role}, attempt ${attempt.number}`,
              one.name && h("span", { class: "quiet" }, ` · ${one.name}`),
            ),
            h("pre", { class: "text", tabindex: "0" }, one.prompt),
          ),
        )
      : attempt
        ? h("p", { class: "quiet" }, `Attempt ${attempt.number} has no prompt yet.`)
        : !next?.prompt && empty("No attempts yet."),
  ];
}

export function definition({ data: { task } }) {
  return [
    task.description &&
      h("div", { key: "d" }, h("h2", null, "Description"), h("pre", { class: "text prose" }, task.description)),
    task.acceptance_criteria.length > 0 &&
      h(
        "div",
        { key: "a" },
        h("h2", null, "Acceptance criteria"),
        h(
          "ol",
          { class: "prose" },
          task.acceptance_criteria.map((text) => h("li", null, text)),
        ),
      ),
    ["files", "design_docs"].map(
      (name) =>
        task[name].length > 0 &&
        h(
          "div",
          { key: name },
          h("h2", null, name === "files" ? "Files" : "Design documents"),
          h(
            "ul",
            { class: "prose" },
            task[name].map((text) => h("li", null, h("code", null, text))),
          ),
        ),
    ),
    h("details", { open: !task.description }, h("summary", null, "Source"), json(task.definition)),
  ];
}

export function links({ data: { task } }) {
  const side = (heading, rows, none) =>
    h(
      "div",
      { key: heading },
      h("h2", null, heading),
      rows.length
        ? table(
            "links",
            heading,
            ["Status", "Task"],
            rows.map((row) =>
              h(
                "tr",
                { key: row.id },
                cell("Status", { class: "c-status" }, badge(row)),
                cell("Task", { class: "c-name" }, taskName(row)),
              ),
            ),
          )
        : h("p", { class: "quiet" }, none),
    );
  return h(
    "div",
    null,
    h(
      "div",
      { class: "columns two" },
      side("Needs", task.needs, "Nothing; it can start at any time."),
      side("Needed by", task.dependents, "No other task depends on it."),
    ),
    h(
      "p",
      { class: "further" },
      h("a", { href: `/graph?${new URLSearchParams({ task: task.id, depth: "2" })}` }, "Show in the graph"),
    ),
  );
}

export function events({ data: { task } }) {
  return table(
    "events",
    "Events",
    ["When", "Event", "Worker", "Details"],
    [...task.log]
      .reverse()
      .map((event) =>
        h(
          "tr",
          { key: event.id },
          cell("When", { class: "c-time" }, h("time", { title: event.timestamp }, moment(event.timestamp))),
          cell("Event", { class: "c-verb" }, eventWord(event.event_type)),
          cell("Worker", { class: "c-worker" }, event.worker_id ?? "–"),
          cell("Details", { class: "c-text" }, event.message),
        ),
      ),
  );
}
