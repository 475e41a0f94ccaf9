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
  builder: "The builder gave up", check: "A check is red", validator: "The validator objects", time: "Out of time",
  landing: "Does not land", crash: "Crashed", unreadable: "Unreadable answer",
};

export const load = (place, signal) => get("/api/failures", {}, signal);

export function view({ data: { groups, totals }, status }) {
  return h("div", { class: "screen" },
    h("h1", { class: "unseen" }, "Failures"),
    groups.length ? h("section", { class: "card flush", "aria-label": "Problems", key: "groups" },
      h("h2", { class: "bar-head" }, `${plural(totals.groups, "problem")} ${totals.groups === 1 ? "has" : "have"} stopped ${plural(totals.tasks, "task")}`,
        h("span", { class: "quiet" }, totals.groups > groups.length
          ? `The ${count(groups.length)} largest are shown.` : "Failures that differ in numbers, times and ids only are one problem.")),
      h("ul", { class: "asks", "data-calm": "" }, groups.map(group)))
      : empty(h("strong", null, "Nothing has failed."), " Failures will stand here, grouped by what went wrong."),
    status && others(status, totals));
}

function group(one) {
  const more = one.tasks - one.task_ids.length;
  const amounts = [one.failed && `${count(one.failed)} failed`, one.held && `${count(one.held)} held`,
    one.blocked && `${plural(one.blocked, "task")} wait${one.blocked === 1 ? "s" : ""} behind`, `${plural(one.attempts, "attempt")} ended so`];
  return h("li", { key: one.fingerprint, "data-group": one.failed ? "failed" : "held" },
    h("p", { class: "amount" }, h("span", { class: "number" }, count(one.tasks)), h("span", { class: "quiet" }, one.tasks === 1 ? "task" : "tasks")),
    h("div", { class: "ask" },
      h("p", { class: "head" }, icon(one.failed ? "failed" : "held"), h("strong", null, CAUSES[one.cause] ?? one.cause), " ", h("span", { class: "quiet" }, "newest ", elapsed(one.newest_at), " ago")),
      h("p", { class: "sample" }, one.sample),
      h("p", { class: "quiet small" }, amounts.filter(Boolean).join(" · ")),
      h("p", { class: "small names" }, one.task_ids.map((id, place) => [place ? ", " : "", taskLink(id, null, { class: "id", "data-row": place ? null : "" })]),
        more > 0 && [" and ", h("a", { href: `/tasks?q=problem:${one.fingerprint}` }, `${count(more)} more`)])),
    h("div", { class: "acts", "data-steady": "" },
      h("button", { type: "button", class: "small primary", onclick: () => retryGroup(one, CAUSES[one.cause] ?? one.cause) },
        one.tasks === 1 ? "Retry…" : `Retry all ${count(one.tasks)}…`)));
}

/** Tasks that came in as failed, or were failed before anybody looked at why. */
function others(status, totals) {
  const n = status.tasks.failed.count + status.tasks.held.count - totals.tasks;
  if (n <= 0) return null;
  return h("p", { class: "quiet", key: "others" }, `${plural(n, "more task")} stand${n === 1 ? "s" : ""} still without a failed attempt: `,
    h("a", { href: "/needs" }, "held by a person or by their file"), ".");
}
