// @ts-check
// Causes of failures: one entry per cause, with all its tasks; they can be retried together.

import { h } from "./dom.js";
import { count, plural } from "./format.js";
import { elapsed, icon, taskLink } from "./pieces.js";
import { retryGroup, retryThese, taskButton } from "./requests/verbs.js";

const CAUSES = {
  builder: "The builder gave up",
  check: "Check failed",
  validator: "The validator objected",
  time: "Out of time",
  landing: "Could not land",
  crash: "Crashed",
  unreadable: "Unreadable answer",
};

export const causeWord = (cause) => CAUSES[cause] ?? "Failed";

/** One cause of failures. Its held tasks are listed with their reason. @param {Api.Group} one */
export function group(one) {
  const tasks = one.failed;
  const more = tasks - one.task_ids.length;
  const amounts = [
    one.failed && `${count(one.failed)} failed`,
    one.held && `${count(one.held)} held, listed below`,
    one.blocked && `${plural(one.blocked, "task")} wait${one.blocked === 1 ? "s" : ""} behind`,
    one.attempts > tasks && `${plural(one.attempts, "attempt")} failed this way`,
  ];
  return h(
    "li",
    { key: one.fingerprint, "data-group": "failed" },
    amount(tasks),
    h(
      "div",
      { class: "ask" },
      h("p", { class: "head" }, icon("failed"), h("strong", { class: "sample" }, one.sample)),
      h(
        "p",
        { class: "quiet small" },
        `${causeWord(one.cause)} · ${amounts.filter(Boolean).join(" · ")} · newest `,
        elapsed(one.newest_at),
        " ago",
      ),
      one.output.includes("\n") && h("pre", { class: "log short", tabindex: "0" }, one.output),
      names(
        one.task_ids,
        more > 0 && [" and ", h("a", { href: `/tasks?q=problem:${one.fingerprint}` }, `${count(more)} more`)],
      ),
    ),
    h(
      "div",
      { class: "acts", "data-steady": "" },
      h(
        "button",
        { type: "button", class: "small primary", onclick: () => retryGroup(one, causeWord(one.cause)) },
        one.tasks === 1 ? "Retry…" : `Retry all ${count(one.tasks)}…`,
      ),
      one.cause === "validator" &&
        one.tasks === 1 &&
        taskButton("approve", { id: one.task_ids[0], last_error: one.sample }),
    ),
  );
}

/** Tasks imported as failed, without an attempt that shows why. */
export function importedAsFailed({ tasks, task_ids: ids }) {
  const more = tasks - ids.length;
  return h(
    "li",
    { key: "imported", "data-group": "failed" },
    amount(tasks),
    h(
      "div",
      { class: "ask" },
      h("p", { class: "head" }, icon("failed"), h("strong", null, "Imported as failed")),
      h("p", { class: "quiet small" }, "Marked as failed in the task file; there is no attempt to show."),
      names(ids, more > 0 && [" and ", h("a", { href: "/tasks?status=failed" }, `${count(more)} more`)]),
    ),
    tasks === ids.length &&
      h(
        "div",
        { class: "acts", "data-steady": "" },
        h(
          "button",
          { type: "button", class: "small primary", onclick: () => retryThese(ids) },
          tasks === 1 ? "Retry…" : `Retry all ${count(tasks)}…`,
        ),
      ),
  );
}

export const names = (ids, more) =>
  h(
    "p",
    { class: "small names" },
    ids.map((id, place) => [place ? ", " : "", taskLink(id, null, { class: "id", "data-row": place ? null : "" })]),
    more,
  );

const amount = (tasks) =>
  h(
    "p",
    { class: "amount" },
    h("span", { class: "number" }, count(tasks)),
    h("span", { class: "quiet" }, tasks === 1 ? "task" : "tasks"),
  );
