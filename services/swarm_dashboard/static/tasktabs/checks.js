// @ts-check
// Checks and verdict of one attempt: what passed and what failed at a glance, with the end of the output.

import { h } from "../dom.js";
import { duration, plural } from "../format.js";
import { Ansi } from "../log/ansi.js";
import { empty, icon } from "../pieces.js";

export function checks({ data: { attempt } }) {
  if (!attempt) return empty("No attempts yet.");
  const { check_results: results, validator_result: verdict, builder_result: built } = attempt;
  return h(
    "div",
    { class: "judged" },
    h("p", { class: "glance" }, glance(results, verdict)),
    h(
      "section",
      null,
      h("h2", null, "Checks"),
      results?.length ? h("ul", { class: "checks" }, results.map(check)) : h("p", { class: "quiet" }, "No checks ran."),
    ),
    attempt.landings.map(landed),
    h("section", null, h("h2", null, "Verdict"), verdict ? judged(verdict) : h("p", { class: "quiet" }, "No verdict.")),
    h(
      "section",
      null,
      h("h2", null, "Builder's report"),
      built ? claimed(built) : h("p", { class: "quiet" }, "No report."),
    ),
  );
}

const MOST_ABOVE = 5;

/**
 * Checks and verdict in short, above the change that they are about.
 * @param {Api.Task} task
 * @param {Api.Attempt} attempt
 * @param {string} address of all of it
 */
export function verdictAbove(task, attempt, address) {
  if (!attempt.ended_at) return null;
  const { check_results: results, validator_result: verdict } = attempt;
  const approved = task.approved_by && verdict && !passed(verdict) && attempt.number === task.attempt_count;
  const issues = texts(verdict?.critical_issues);
  const advice = texts(verdict?.recommendations);
  const all = [...issues.map((text) => ["Critical issue", text]), ...advice.map((text) => ["Recommendation", text])];
  return h(
    "section",
    { class: "judged above", key: "verdict", "aria-label": "Verdict" },
    h(
      "p",
      { class: "glance" },
      glance(results, verdict),
      !verdict && (results?.length ?? 0) > 0 && h("span", { class: "quiet" }, "not validated"),
      approved && h("span", null, `approved by ${task.approved_by} despite the validator`),
      h("a", { class: "all", href: address }, "Checks and verdict"),
    ),
    verdict?.summary && h("p", { class: "prose" }, String(verdict.summary)),
    all.length > 0 &&
      h(
        "ul",
        { class: "prose" },
        all.slice(0, MOST_ABOVE).map(([word, text]) => h("li", null, h("span", { class: "quiet" }, `${word}: `), text)),
        all.length > MOST_ABOVE && h("li", { class: "quiet" }, `and ${all.length - MOST_ABOVE} more`),
      ),
  );
}

const texts = (items) =>
  Array.isArray(items) ? items.map((item) => (typeof item === "string" ? item : JSON.stringify(item))) : [];

/** Whether checks and verdict passed, in one line each. */
function glance(results, verdict) {
  const red = results?.filter((result) => !result.passed) ?? [];
  const warned = results?.filter((result) => result.passed && result.warning) ?? [];
  const said = [];
  if (results?.length)
    said.push(
      badge(
        red.length ? "failed" : "completed",
        red.length ? `${red.length} of ${results.length} checks failed` : `${plural(results.length, "check")} passed`,
      ),
    );
  if (warned.length) said.push(badge("held", `${warned.length} with a warning`));
  if (verdict) said.push(badge(passed(verdict) ? "completed" : "failed", `validator: ${verdict.verdict ?? "?"}`));
  return said.length ? said : h("span", { class: "quiet" }, "No checks or verdict yet.");
}

const badge = (group, text) => h("span", { class: "badge", "data-group": group }, icon(group), text);

function check(result, place) {
  const group = !result.passed ? "failed" : result.warning ? "held" : "completed";
  const ended = !result.passed
    ? result.exit_code === null || result.exit_code === undefined
      ? "failed"
      : `failed, exit ${result.exit_code}`
    : result.warning
      ? "warning"
      : "passed";
  return h(
    "li",
    { key: place, "data-group": group },
    icon(group),
    h(
      "div",
      null,
      h("code", null, result.command ?? result.name ?? `check ${place + 1}`),
      " ",
      h("span", { class: "quiet" }, ended, result.duration_s ? ` after ${duration(result.duration_s)}` : ""),
      result.output &&
        (result.passed && !result.warning
          ? h("details", null, h("summary", null, "Last lines of output"), output(result.output))
          : output(result.output)),
    ),
  );
}

/** One attempt at landing: why it was refused, and what its commands printed on the merged result. */
function landed(landing) {
  const refused = landing.failure_class === "quality";
  const [group, word] = refused
    ? ["failed", "refused"]
    : landing.outcome === "passed"
      ? ["completed", "landed"]
      : landing.outcome
        ? ["held", landing.outcome]
        : ["in_progress", "running"];
  return h(
    "section",
    { key: landing.id },
    h("h2", null, "Landing"),
    h("p", null, badge(group, word), landing.error && [" ", landing.error]),
    landing.check_results?.length > 0 && h("ul", { class: "checks" }, landing.check_results.map(check)),
  );
}

const output = (text) => h("pre", { class: "log short", tabindex: "0" }, new Ansi().nodes(String(text)));

const passed = (verdict) => String(verdict.verdict).toUpperCase() === "PASS" && !verdict.critical_issues?.length;

function judged(verdict) {
  const lists = { critical_issues: "Critical issues", recommendations: "Recommendations" };
  const facts = [
    ["confidence", verdict.confidence],
    ["tests", verdict.test_quality_score === undefined ? undefined : `${verdict.test_quality_score} of 10`],
  ];
  const good = passed(verdict);
  return h(
    "div",
    null,
    h(
      "p",
      null,
      badge(good ? "completed" : "failed", String(verdict.verdict ?? "?")),
      facts
        .filter(([, value]) => value !== undefined && value !== null)
        .map(([word, value]) => h("span", { class: "quiet" }, ` · ${word} ${value}`)),
    ),
    verdict.summary && h("p", { class: "prose" }, String(verdict.summary)),
    Object.entries(lists).map(
      ([key, word]) =>
        Array.isArray(verdict[key]) &&
        verdict[key].length > 0 &&
        h(
          "div",
          { key },
          h("h3", null, word),
          h(
            "ul",
            { class: "prose" },
            verdict[key].map((item) => h("li", null, typeof item === "string" ? item : JSON.stringify(item))),
          ),
        ),
    ),
    h("details", null, h("summary", null, "Raw JSON"), json(verdict)),
  );
}

function claimed(built) {
  const words = {
    status: "status",
    tests_passed: "tests passed",
    files_created: "created",
    files_modified: "modified",
    tests_written: "tests",
  };
  return h(
    "div",
    null,
    h(
      "dl",
      { class: "facts" },
      Object.entries(words)
        .filter(([key]) => built[key] !== undefined && String(built[key]) !== "")
        .map(([key, word]) =>
          h("div", { key }, h("dt", null, word), h("dd", null, [built[key]].flat().map(plain).join(", "))),
        ),
    ),
    built.implementation_notes && h("p", { class: "prose" }, String(built.implementation_notes)),
    h("details", null, h("summary", null, "Raw JSON"), json(built)),
  );
}

const plain = (value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value));

export const json = (value) => h("pre", { class: "text", tabindex: "0" }, JSON.stringify(value, null, 2));
