// @ts-check
// Attempts: each with its outcome, in order, and any two of them side by side.

import { h } from "../dom.js";
import { between, count, duration, failureWord, plural } from "../format.js";
import { at, cell, elapsed, empty, icon, table } from "../pieces.js";
import { changed } from "./address.js";
import { fileDiffs } from "./filediffs.js";
import { stageBars } from "./stages.js";

const GROUP = { passed: "completed", failed: "failed", killed: "held", cancelled: "cancelled" };

export function attempts({ data: { task, changes }, place: { query }, go }) {
  if (!task.attempts.length) return empty("No attempts yet.");
  const before = {};
  let last = null;
  for (const attempt of task.attempts) {
    before[attempt.number] = attempt.error !== null && attempt.error === last;
    last = attempt.error ?? last;
  }
  const rows = task.attempts.map((attempt) =>
    h(
      "tr",
      { key: attempt.id },
      cell(
        "Try",
        { class: "c-number" },
        h(
          "a",
          {
            href: `?${changed(query, { tab: "log", attempt: attempt.number, session: "" })}`,
            "data-row": "",
            "aria-label": `Log of attempt ${attempt.number}`,
          },
          `${attempt.number}`,
        ),
      ),
      cell("Outcome", { class: "c-status" }, outcome(attempt)),
      cell("Began", { class: "c-time" }, at(attempt.claimed_at)),
      cell("Took", { class: "c-time" }, took(attempt)),
      cell("Worker", { class: "c-worker" }, attempt.worker_id),
      cell(
        "Change",
        { class: "c-number" },
        attempt.changed
          ? h(
              "a",
              {
                href: `?${changed(query, { tab: "diff", attempt: attempt.number, since: "" })}`,
                title: plural(attempt.changed.files, "file"),
              },
              `+${count(attempt.changed.added)} −${count(attempt.changed.deleted)}`,
            )
          : "–",
      ),
      cell("Cost", { class: "c-number" }, spent(attempt)),
      cell(
        "What happened",
        { class: "c-text" },
        before[attempt.number] && h("em", { class: "same" }, "same as before: "),
        whatHappened(attempt),
        attempt.answer && h("p", { class: "answer" }, h("strong", null, "Your answer: "), attempt.answer),
      ),
    ),
  );
  return [
    task.attempts_left_out > 0 &&
      h("p", { class: "quiet" }, `${plural(task.attempts_left_out, "earlier attempt")} not shown`),
    table(
      "attempts",
      "Attempts",
      ["Try", "Outcome", "Began", "Took", "Worker", "Change", "Cost", "What happened"],
      rows,
    ),
    stageBars(task),
    task.attempts.length > 1 && sideBySide(task, changes, query, go),
  ];
}

/** The headline of its failure, then what was reported where that says something else. */
function whatHappened({ headline, error, landings }) {
  if (!headline || error?.startsWith(headline)) return error ?? landings.at(-1)?.error ?? "–";
  return [h("strong", null, headline), error && h("span", { class: "quiet" }, ` ${error}`)];
}

/** A passed attempt whose landing was refused is shown as refused. */
function outcome(attempt) {
  const landing = attempt.landings.at(-1);
  if (landing?.failure_class === "quality")
    return h("span", { class: "badge", "data-group": "failed" }, icon("failed"), "landing refused");
  const group = attempt.question ? "held" : (GROUP[attempt.outcome] ?? "in_progress");
  return h(
    "span",
    { class: "badge", "data-group": group },
    icon(group),
    attempt.question ? "asked a question" : (attempt.outcome ?? "running"),
    !attempt.question && attempt.failure_class && ` (${failureWord(attempt.failure_class)})`,
  );
}

const took = (attempt) =>
  attempt.ended_at ? duration(between(attempt.claimed_at, attempt.ended_at)) : elapsed(attempt.claimed_at);

function spent({ cost_usd: cost, tokens, cached_tokens: cached }) {
  const ofThem = cached ? ` (${count(cached)} cached)` : "";
  const parts = [
    cost === null ? null : `$${cost.toFixed(2)}`,
    tokens === null ? null : `${count(tokens)} tokens${ofThem}`,
  ];
  return parts.filter(Boolean).join(", ") || "–";
}

/** The two attempts named in the address, otherwise the last two. */
export function pair(task, query) {
  const named = (query.get("pair") ?? "")
    .split("-")
    .map((n) => task.attempts.find((attempt) => attempt.number === Number(n)));
  return named.length === 2 && named.every(Boolean) ? named : task.attempts.slice(-2);
}

function sideBySide(task, changes, query, go) {
  const two = pair(task, query);
  const choose = (place) =>
    h(
      "select",
      {
        "aria-label": place ? "Compared with attempt" : "Compare attempt",
        onchange: (event) =>
          go(
            `?${changed(query, { pair: two.map((one, at) => (at === place ? event.target.value : one.number)).join("-") })}`,
          ),
      },
      task.attempts.map((one) =>
        h("option", { value: one.number, selected: one === two[place] }, `attempt ${one.number}`),
      ),
    );
  /** @type {[string, (attempt: Api.Attempt) => any][]} */
  const facts = [
    ["Outcome", outcome],
    ["Took", took],
    ["Tokens and cost", spent],
    ["Model", (one) => one.models ?? "–"],
    ["Worker", (one) => one.worker_id],
    ["Exit code", (one) => one.exit_code ?? "–"],
    ["Checks", (one) => checks(one)],
    ["Verdict", (one) => verdict(one)],
    [
      "Landing",
      (one) => one.landings.map((landing) => landing.error ?? landing.outcome ?? "running").join("; ") || "–",
    ],
    [
      "Change",
      (one) =>
        one.changed
          ? `${plural(one.changed.files, "file")}, +${count(one.changed.added)} −${count(one.changed.deleted)}`
          : "–",
    ],
    ["Note", (one) => one.note ?? "–"],
    ["Reason", (one) => one.error ?? "–"],
    ["Must fix", (one) => list(one.must_fix)],
  ];
  const later = two[1].number > two[0].number ? two[1] : two[0];
  return h(
    "section",
    { class: "pair" },
    h("h2", null, "Side by side"),
    h(
      "table",
      { class: "pair" },
      h(
        "thead",
        null,
        h("tr", null, h("td"), h("th", { scope: "col" }, choose(0)), h("th", { scope: "col" }, choose(1))),
      ),
      h(
        "tbody",
        null,
        facts.map(([word, of]) => {
          const [one, other] = two.map((attempt) => h("td", null, of(attempt)));
          return h(
            "tr",
            { key: word, "data-differs": one.textContent !== other.textContent },
            h("th", { scope: "row" }, word),
            one,
            other,
          );
        }),
      ),
    ),
    changes && fileDiffs(two, changes),
    later.changed &&
      h(
        "p",
        null,
        h(
          "a",
          { href: `?${changed(query, { tab: "diff", attempt: later.number, since: "previous" })}` },
          `Changes of attempt ${later.number} only`,
        ),
      ),
  );
}

function checks({ check_results: results }) {
  if (!results?.length) return "–";
  const red = results.filter((result) => !result.passed);
  return red.length
    ? `${red.length} of ${results.length} failed: ${red.map((result) => result.command).join("; ")}`
    : `${results.length} passed`;
}

const verdict = ({ validator_result: result }) =>
  result ? [String(result.verdict ?? "?"), list(result.critical_issues, "")] : "–";

const list = (items, none = "–") =>
  Array.isArray(items) && items.length
    ? h(
        "ul",
        null,
        items.map((item) => h("li", null, typeof item === "string" ? item : JSON.stringify(item))),
      )
    : none;
