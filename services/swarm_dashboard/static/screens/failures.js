// @ts-check
// Failures: one row per problem, however many tasks it has stopped; a whole group is retried at once.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { elapsed, empty, icon, taskLink } from "../pieces.js";
import { retryGroup } from "../verbs.js";

export const name = "failures";
export const title = () => "Failures";
export const follows = true;

const CAUSES = {
  builder: "The builder gave up",
  check: "Check failed",
  validator: "The validator objected",
  time: "Out of time",
  landing: "Could not land",
  crash: "Crashed",
  unreadable: "Unreadable answer",
};

export const load = (_place, signal) => get("/api/failures", {}, signal);

/** @param {View<Api.Failures>} context */
export function view({ data: { groups, totals, imported }, status }) {
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Failures"),
    groups.length || imported.tasks
      ? h(
          "section",
          { class: "card flush", "aria-label": "Problems", key: "groups" },
          h(
            "h2",
            { class: "bar-head" },
            `${plural(totals.failed + imported.tasks, "failed task")}${totals.held ? ` and ${plural(totals.held, "held task")}` : ""}, ${plural(totals.groups + (imported.tasks ? 1 : 0), "problem")}`,
            h(
              "span",
              { class: "quiet" },
              totals.groups > groups.length
                ? `The ${count(groups.length)} largest are shown.`
                : "Failures that differ only in numbers, times or ids are grouped together.",
            ),
          ),
          h(
            "ul",
            { class: "asks", "data-calm": "" },
            groups.map((one) => group(one)),
            imported.tasks > 0 && importedAsFailed(imported),
          ),
        )
      : empty(h("strong", null, "Nothing has failed."), " Failures will appear here, grouped by cause."),
    status && others(status, totals),
  );
}

/** One problem; on Needs you only its failed tasks count, as held ones are listed there one by one. */
export function group(one, { failedOnly = false } = {}) {
  const tasks = failedOnly ? one.failed : one.tasks;
  const more = tasks - one.task_ids.length;
  const amounts = [
    one.failed && `${count(one.failed)} failed`,
    one.held && `${count(one.held)} held${failedOnly ? ", listed below" : ""}`,
    one.blocked && `${plural(one.blocked, "task")} wait${one.blocked === 1 ? "s" : ""} behind`,
    `${plural(one.attempts, "attempt")} failed this way`,
  ];
  return h(
    "li",
    { key: one.fingerprint, "data-group": one.failed ? "failed" : "held" },
    h(
      "p",
      { class: "amount" },
      h("span", { class: "number" }, count(tasks)),
      h("span", { class: "quiet" }, tasks === 1 ? "task" : "tasks"),
    ),
    h(
      "div",
      { class: "ask" },
      h(
        "p",
        { class: "head" },
        icon(one.failed ? "failed" : "held"),
        h("strong", null, CAUSES[one.cause] ?? one.cause),
        " ",
        h("span", { class: "quiet" }, "newest ", elapsed(one.newest_at), " ago"),
      ),
      h("p", { class: "sample" }, one.sample),
      one.output && h("pre", { class: "log short", tabindex: "0" }, one.output),
      h("p", { class: "quiet small" }, amounts.filter(Boolean).join(" · ")),
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
        { type: "button", class: "small primary", onclick: () => retryGroup(one, CAUSES[one.cause] ?? one.cause) },
        one.tasks === 1 ? "Retry…" : `Retry all ${count(one.tasks)}…`,
      ),
    ),
  );
}

/** Tasks that their file has as failed: no attempt says why. */
export function importedAsFailed({ tasks, task_ids: ids }) {
  const more = tasks - ids.length;
  return h(
    "li",
    { key: "imported", "data-group": "failed" },
    h(
      "p",
      { class: "amount" },
      h("span", { class: "number" }, count(tasks)),
      h("span", { class: "quiet" }, tasks === 1 ? "task" : "tasks"),
    ),
    h(
      "div",
      { class: "ask" },
      h("p", { class: "head" }, icon("failed"), h("strong", null, "Imported as failed")),
      h("p", { class: "quiet small" }, "Their task file says so; no attempt here says why."),
      names(ids, more > 0 && [" and ", h("a", { href: "/tasks?status=failed" }, `${count(more)} more`)]),
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

/** Held tasks that no failed attempt has stopped. */
function others(status, totals) {
  const n = status.tasks.held.count - totals.held;
  if (n <= 0) return null;
  return h(
    "p",
    { class: "quiet", key: "others" },
    `${plural(n, "more task")} ${n === 1 ? "is" : "are"} held: `,
    h("a", { href: "/needs" }, "Needs you"),
    ".",
  );
}
