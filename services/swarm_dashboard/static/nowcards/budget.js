// @ts-check
// Budgets: how much of each cap is used, as a bar and in words.

import { h } from "../dom.js";
import { compact, count, dollars, percent, plural } from "../format.js";
import { at, taskLink } from "../pieces.js";

const NEAR = 0.8; // the share at which the swarm warns
const TASKS_SHOWN = 3;
const SCOPES = { run: "This run", day: "Today", task: "This task" };
const UNITS = {
  usd: { of: dollars, word: "" },
  tokens: { of: (n) => (n < 10_000 ? count(n) : compact(n)), word: " tokens" },
  minutes: { of: (n) => count(n < 10 ? Math.round(n * 10) / 10 : Math.round(n)), word: " min of agent time" },
};

/** A card with the caps of swarm.yaml; nothing without any. @param {Api.Status} status */
export function budget({ budget: all }) {
  const eachTask = Object.entries(all.task_caps);
  if (!all.caps.length && !eachTask.length) return null;
  return h(
    "section",
    { class: "card", key: "budget" },
    h(
      "h2",
      null,
      "Budget ",
      all.usd_last_hour !== null && h("span", { class: "all quiet" }, `${dollars(all.usd_last_hour)} in the last hour`),
    ),
    h(
      "ul",
      { class: "caps" },
      all.caps.map((cap) => shared(cap, all)),
      all.tasks
        .slice(0, TASKS_SHOWN)
        .map((cap) =>
          h(
            "li",
            { key: `${cap.task} ${cap.unit}` },
            capBar(cap, ["Task ", taskLink(cap.task, null, { class: "id" })], `Budget of task ${cap.task}`),
          ),
        ),
    ),
    h(
      "p",
      { class: "quiet small" },
      all.caps.some((cap) => cap.scope === "run") && all.run.since && ["This run started at ", at(all.run.since), ". "],
      eachTask.length > 0 &&
        `Each task may use ${eachTask.map(([unit, cap]) => UNITS[unit].of(cap) + UNITS[unit].word).join(", ")}.`,
    ),
  );
}

/** @param {Api.Cap} cap @param {Api.Budget} all */
function shared(cap, all) {
  const { unpriced, uncounted } = all[cap.scope];
  const unknown = { usd: unpriced, tokens: uncounted }[cap.unit] ?? 0;
  const notes = [
    unknown > 0 && `At least: ${plural(unknown, "session")} did not report ${unknown === 1 ? "its" : "their"} use. `,
    cap.share >= 1 && effect(cap.scope, all.hard),
  ];
  return h(
    "li",
    { key: `${cap.scope} ${cap.unit}` },
    capBar(cap, SCOPES[cap.scope], `Budget of ${cap.scope === "run" ? "this run" : "today"}`),
    notes.some(Boolean) && h("p", { class: "quiet small" }, notes),
  );
}

const effect = (scope, hard) =>
  `${hard ? "Running sessions were stopped" : "Running sessions finish"}; new tasks start ${scope === "day" ? "after midnight, or when you resume" : "when you resume"}.`;

/** One cap: its words above its bar. @param {Api.Cap} cap */
export function capBar(cap, words, label) {
  const { of, word: unit } = UNITS[cap.unit];
  const text = `${of(cap.used)} of ${of(cap.cap)}${unit}`;
  const state = cap.share >= 1 ? "failed" : cap.share >= NEAR ? "held" : "completed";
  const word = cap.share >= 1 ? "used up" : cap.share >= NEAR ? "nearly used up" : "";
  return [
    h(
      "p",
      { class: "cap", "data-group": state },
      h("strong", null, words),
      h("span", null, text),
      h("span", { class: "share" }, [percent(cap.share), word].filter(Boolean).join(", ")),
    ),
    h(
      "div",
      {
        class: "bar",
        role: "progressbar",
        "aria-label": label,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.min(100, Math.floor(cap.share * 100)),
        "aria-valuetext": text,
      },
      h("span", { "data-group": state, width: `${Math.min(100, cap.share * 100)}%` }),
    ),
  ];
}
