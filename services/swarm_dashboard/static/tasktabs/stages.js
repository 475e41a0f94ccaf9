// @ts-check
// How long each attempt spent on building, checks, validation and landing: a bar per attempt, on one scale.

import { h } from "../dom.js";
import { between, duration, now } from "../format.js";

const SHOWN = 10;
const STAGES = { builder: "building", check: "checks", validator: "validation", landing: "landing" };
const GROUP = { builder: "in_progress", check: "not_started", validator: "held", landing: "completed" };

/**
 * The stages of an attempt in their order, with seconds; one that runs counts up to `at`.
 * @param {Pick<Api.Attempt, "sessions" | "landings">} attempt
 * @param {string} at
 */
export function stagesOf({ sessions, landings }, at) {
  const steps = [
    ...sessions.map(({ role, started_at: from, ended_at: to }) => ({ stage: role, from, to })),
    ...landings.map(({ claimed_at: from, ended_at: to }) => ({ stage: "landing", from, to })),
  ];
  /** @type {{ stage: string, seconds: number }[]} */
  const stages = [];
  for (const { stage, from, to } of steps) {
    const seconds = Math.max(0, between(from, to ?? at));
    const last = stages.at(-1);
    if (last?.stage === stage) last.seconds += seconds;
    else stages.push({ stage, seconds });
  }
  return stages;
}

/** @param {Api.Task} task */
export function stageBars(task) {
  const at = new Date(now()).toISOString();
  const rows = task.attempts
    .slice(-SHOWN)
    .map((attempt) => ({ number: attempt.number, stages: stagesOf(attempt, at) }))
    .filter(({ stages }) => stages.length);
  if (!rows.length) return null;
  const longest = Math.max(...rows.map(({ stages }) => total(stages)), 1);
  return h(
    "section",
    { class: "stages", key: "stages" },
    h("h2", null, "Time by stage"),
    h(
      "ul",
      null,
      rows.map(({ number, stages }) =>
        h(
          "li",
          { key: number },
          h("span", null, `Attempt ${number}`),
          h(
            "div",
            { class: "bar", "aria-hidden": "true" },
            stages.map(({ stage, seconds }) =>
              h("span", { "data-group": GROUP[stage], width: `${(100 * seconds) / longest}%` }),
            ),
          ),
          h(
            "p",
            { class: "small" },
            stages.map(({ stage, seconds }) =>
              h(
                "span",
                { class: "stage", "data-group": GROUP[stage] },
                h("i", { "aria-hidden": "true" }),
                `${STAGES[stage]} ${duration(seconds)}`,
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

const total = (stages) => stages.reduce((sum, { seconds }) => sum + seconds, 0);
