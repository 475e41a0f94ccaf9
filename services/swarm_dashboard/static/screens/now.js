// @ts-check
// Now: progress, running tasks, and what needs you.

import { causeWord } from "../causes.js";
import { h } from "../dom.js";
import {
  compact,
  count,
  dollars,
  duration,
  groupWord,
  heldBecause,
  hours,
  momentIn,
  percent,
  plural,
  sinceSeconds,
} from "../format.js";
import { needsWords } from "../frame/needs.js";
import { STOPS } from "../frame/tabstate.js";
import { warnings } from "../frame/warnings.js";
import { budget } from "../nowcards/budget.js";
import { routes } from "../nowcards/routes.js";
import { outcomes } from "../pictures/bars.js";
import { lanes } from "../pictures/lanes.js";
import { progress } from "../pictures/progress.js";
import { badge, cell, command, elapsed, empty, icon, table, taskName } from "../pieces.js";
import { importTasks } from "../requests/importform.js";
import * as verbs from "../requests/verbs.js";

export const name = "now";
export const title = () => "Now";
export const load = async () => ({});

const GROUPS = ["not_started", "in_progress", "completed", "failed", "held", "cancelled"];
const PAUSE = "No new tasks start; running tasks continue, and so does their cost.";
const DRAIN = "Running tasks finish, no new ones start, then the workers leave.";
const STOP = "Stops every session now, and with it all spending. The tasks go back to the queue.";
const SILENT_S = 60;
const MANY_FAIL = 0.5;
const ENDS_THAT_TELL = 5; // fewer are no evidence

/** @param {View<null>} context */
export function view({ status, place, go }) {
  if (!status) return h("div", { class: "screen" }, empty("Loading…"));
  const total = status.tasks.total.count;
  const shown = warnings(status);
  return h(
    "div",
    { class: "screen now" },
    h("h1", { class: "unseen" }, "Now"),
    shown.length > 0 && h("section", { class: "warnings", key: "warnings", "aria-label": "Notices" }, shown),
    total
      ? [
          ended(status),
          overview(status),
          lanes({ status, place, go }), // above what grows and shrinks, so that it does not move under the pointer
          running(status),
          lists(status),
          limits(status),
          pictures({ status, place, go }),
        ]
      : nothingYet(status),
  );
}

const pictures = (context) => h("div", { class: "columns two", key: "pictures" }, outcomes(context), progress(context));

/** Budget and routes, if any are configured. */
function limits(status) {
  const cards = [budget(status), routes(status)].filter(Boolean);
  return cards.length > 0 && h("div", { class: "limits", key: "limits" }, cards);
}

const services = ({ services: { reaper } }) => reaper && !reaper.stopped_at;

function nothingYet(status) {
  return h(
    "section",
    { class: "card first" },
    h("h2", null, "The queue is empty"),
    h(
      "p",
      null,
      services(status) ? "Import tasks; the workers start on them at once:" : "Import tasks, then start workers:",
    ),
    h("p", null, h("button", { type: "button", class: "primary", onclick: importTasks }, "Import tasks…")),
    h("p", null, command(`amplifier-swarm import-tasks tasks.yaml --db ${status.database ?? "tasks.db"}`)),
    !services(status) && h("p", null, command(`amplifier-swarm start --db ${status.database ?? "tasks.db"}`)),
    h("p", { class: "quiet" }, "This page shows them the moment they are there."),
  );
}

/** When no task is left that can run: what came of the run, with its report. @param {Api.Status} status */
function ended({ tasks, stuck }) {
  if (tasks.in_progress.count || tasks.not_started.count > stuck) return null;
  const { total, completed } = tasks;
  const amount = `${count(completed.count)} of ${plural(total.count, "task")} completed`;
  return h(
    "section",
    { class: "card row", key: "ended", "aria-label": "The end of the run" },
    h(
      "p",
      null,
      completed.count === total.count
        ? h("strong", null, `${amount}.`)
        : [h("strong", null, "No task is left to run."), h("span", { class: "quiet" }, ` ${amount}.`)],
    ),
    h("a", { class: "button", href: "/report" }, "Report"),
  );
}

function overview(status) {
  const { tasks } = status;
  const alive = status.workers.filter((w) => w.alive).length;
  const running = status.running.length;
  return h(
    "section",
    { class: "card overview", "aria-label": "Progress" },
    h(
      "ul",
      { class: "counters" },
      GROUPS.map((group) =>
        h(
          "li",
          { key: group, "data-group": group, "data-empty": tasks[group].count === 0 },
          h(
            "a",
            { href: `/tasks?status=${group}` },
            h("span", { class: "number" }, count(tasks[group].count)),
            h("span", { class: "word" }, icon(group), groupWord(group)),
            h("span", { class: "hours" }, tasks[group].hours ? hours(tasks[group].hours) : "\u00a0"),
          ),
        ),
      ),
    ),
    h(
      "div",
      {
        class: "bar",
        role: "progressbar",
        "aria-label": "Completed tasks",
        "aria-valuemin": 0,
        "aria-valuemax": tasks.total.count,
        "aria-valuenow": tasks.completed.count,
        "aria-valuetext": `${count(tasks.completed.count)} of ${plural(tasks.total.count, "task")}`,
      },
      ["completed", "in_progress", "failed", "held", "cancelled"].map((group) =>
        h("span", { key: group, "data-group": group, width: `${(100 * tasks[group].count) / tasks.total.count}%` }),
      ),
    ),
    strip(status, alive),
    h(
      "div",
      { class: "controls" },
      h("p", { class: "quiet" }, isolation(status)),
      // The notice of a stop has the button that ends it.
      !status.flags.some((flag) => STOPS.has(flag.name)) &&
        h("button", { type: "button", key: "pause", onclick: verbs.pause, title: PAUSE }, "Pause"),
      h(
        "button",
        { type: "button", key: "drain", onclick: () => verbs.drain(running), title: DRAIN },
        "Graceful shutdown",
      ),
      h(
        "button",
        { type: "button", class: "danger", key: "stop", onclick: () => verbs.emergencyStop(running), title: STOP },
        "Emergency stop",
      ),
    ),
  );
}

/** Key figures, each with what it is based on. */
function strip(status, alive) {
  const {
    tasks,
    by_status: by,
    pulse: { oldest_ready_at: oldest, failing, spend },
    running,
  } = status;
  const [left, basis] = eta(status);
  const figures = [
    ["Progress", percent(status.progress), `${count(tasks.completed.count)} of ${plural(tasks.total.count, "task")}`],
    [
      "Estimated work",
      `${hours(status.remaining_hours)} left`,
      `${hours(tasks.completed.hours)} of ${hours(tasks.total.hours)} done`,
    ],
    ["Done", left, basis, Boolean(status.stalled) && !status.flags.length],
    ["Ready", count(by.not_started ?? 0), oldest ? ["oldest for ", elapsed(oldest)] : "nothing waits for a worker"],
    [
      "Running",
      `${running.length} of ${alive}`,
      `${plural(alive, "worker")}${alive - running.length > 0 ? `, ${alive - running.length} free` : ""}`,
    ],
    [
      "Failing",
      failing.rate === null ? "–" : percent(failing.rate),
      failing.ended
        ? `${count(failing.failed)} of ${count(failing.ended)} in the last hour`
        : "nothing ended in the last hour",
      failing.rate >= MANY_FAIL && failing.ended >= ENDS_THAT_TELL,
    ],
    [
      "Spend",
      spend ? dollars(spend.cost_usd) : "–",
      spend ? `${compact(spend.tokens)} tokens, ${plural(spend.attempts, "attempt")}` : "not reported",
    ],
  ];
  return h(
    "dl",
    { class: "strip" },
    figures.map(([word, figure, detail, alarming]) =>
      h(
        "div",
        { key: word, class: alarming ? "alarming" : null },
        h("dt", null, word),
        h("dd", null, h("strong", null, figure), h("span", null, detail)),
      ),
    ),
  );
}

/** The expected end and the time until then, or why there is none. */
function eta(status) {
  const open = status.tasks.not_started.count + status.tasks.in_progress.count;
  if (!open) return ["–", "nothing left to do"];
  if (status.stalled) return ["stalled", status.stalled];
  if (status.eta_s === null) return ["–", "available once a task has finished"];
  return [
    `about ${momentIn(status.eta_s)}`,
    `in ${duration(status.eta_s)}${status.stuck ? `, not counting ${plural(status.stuck, "stuck task")}` : ""}`,
  ];
}

function isolation({ isolation: word, lands_on: branch }) {
  if (word === "none") return "Agents work in the project folder itself.";
  if (!branch) return "";
  return ["Each task runs in its own worktree. Passing work lands on ", h("a", { href: "/landing" }, branch), "."];
}

function running(status) {
  if (!status.running.length) return null;
  return h(
    "section",
    { class: "card" },
    h(
      "h2",
      { "aria-label": "Running" },
      "Running ",
      status.running.length > 1 && h("a", { class: "all", href: "/logs" }, "logs side by side"),
    ),
    table(
      "running",
      "Running tasks",
      ["Stage", "Task", "Worker", "Elapsed", "Last line", ""],
      status.running.map((row) => {
        const silent = row.progress_at && sinceSeconds(row.progress_at) > SILENT_S;
        return h(
          "tr",
          { key: row.id },
          cell("Stage", { class: "c-status" }, badge(row)),
          cell("Task", { class: "c-name" }, taskName(row)),
          cell("Worker", { class: "c-worker" }, row.worker_id),
          cell(
            "Elapsed",
            { class: "c-time" },
            elapsed(row.claimed_at),
            row.number > 1 && h("span", { class: "quiet" }, ` · try ${row.number}`),
          ),
          cell(
            "Last line",
            { class: "c-line" },
            silent && [h("span", { class: "silent" }, elapsed(row.progress_at, "silent ")), " "],
            h("span", { class: "line" }, row.last_line || "–"),
          ),
          cell("", { class: "c-actions", "data-steady": "" }, verbs.taskButton("kill", row)),
        );
      }),
    ),
  );
}

function lists(status) {
  return h(
    "div",
    { class: "columns" },
    short(
      "Needs you",
      status.needs_you,
      needsWords(status.needs),
      "/inbox",
      (row) =>
        row.last_error || (row.group === "held" ? heldBecause(row.hold_reason) : row.message || "imported as failed"),
      isClear(status) ? "All clear" : "See the notices above.",
    ),
    short(
      "Just failed",
      status.just_failed,
      allOf(status.just_failed, status.tasks.failed.count),
      "/tasks?status=failed",
      (row) => row.last_error || row.message,
    ),
    short(
      "Just finished",
      status.just_finished,
      allOf(status.just_finished, status.tasks.completed.count),
      "/tasks?status=completed",
      null,
    ),
  );
}

const alikeHref = ({ fingerprint }) => (fingerprint ? `/tasks?q=problem:${fingerprint}` : "/tasks?status=failed");

/** What usually helps: for one task, or for all that stopped for the same cause. */
function act(row) {
  const all = row.alike?.fingerprint && row.alike;
  if (!all) return verbs.taskButton(row.verbs[0], row);
  const words = `Retry all ${count(all.tasks)}…`;
  return h(
    "button",
    { type: "button", class: "small", onclick: () => verbs.retryGroup(all, causeWord(all.cause)) },
    words,
  );
}

const allOf = (rows, total) => (total > rows.length ? `all ${count(total)}` : "look");

/** Whether nothing needs you, neither a task nor the swarm as a whole. */
const isClear = (status) => !status.needs.total && !status.obstacles.length;

function short(heading, rows, all, address, words, none = "Nothing yet") {
  return h(
    "section",
    { class: "card", key: heading },
    h("h2", { "aria-label": heading }, heading, " ", rows.length > 0 && h("a", { class: "all", href: address }, all)),
    rows.length
      ? h(
          "ul",
          { class: "short", "data-calm": "" },
          rows.map((row) =>
            h(
              "li",
              { key: row.id, "data-group": row.group },
              icon(row.status),
              h(
                "div",
                null,
                h(
                  "p",
                  { class: "head" },
                  taskName(row),
                  row.alike &&
                    h("a", { class: "alike", href: alikeHref(row.alike) }, `and ${count(row.alike.failed - 1)} more`),
                  h("span", { class: "ago" }, elapsed(row.at)),
                ),
                words && h("p", { class: "why" }, words(row)),
              ),
              words && h("span", { class: "act", "data-steady": "" }, act(row)),
            ),
          ),
        )
      : h("p", { class: "quiet" }, none),
  );
}
