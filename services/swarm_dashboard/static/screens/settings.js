// @ts-check
// Settings: what a running swarm can be asked to change, and what it was started with.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { cell, table } from "../pieces.js";
import { scaleForm } from "../requests/scaleform.js";
import * as verbs from "../requests/verbs.js";

export const name = "settings";
export const title = () => "Settings";

const ORIGINS = { default: "default", flag: "the command line" };

export const load = (_place, signal) => get("/api/settings", {}, signal);

/** @param {View<Api.Settings>} context */
export function view({ data: { settings, file, problem }, status }) {
  const waiting = settings.filter((one) => one.next !== null).length;
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Settings"),
    status && whileItRuns(status),
    h(
      "p",
      { class: "quiet" },
      "The settings that the dashboard was started with. Change them in ",
      h("code", null, file),
      ", then restart the swarm. ",
      waiting > 0 && h("strong", null, `${plural(waiting, "change")} in the file will apply after a restart.`),
      problem && h("strong", { class: "silent" }, `The file cannot be used as it is now: ${problem}.`),
    ),
    h(
      "section",
      { class: "card flush" },
      table(
        "settings",
        "Settings",
        ["Setting", "Value", "From", "Meaning"],
        settings.map((one) =>
          h(
            "tr",
            { key: one.name },
            cell("Setting", { class: "c-name" }, h("code", null, one.name)),
            cell(
              "Value",
              { class: "c-text" },
              shown(one.value),
              one.name === "workers" && status && running(status, one.value),
              one.next !== null && h("p", { class: "quiet small" }, `after a restart: ${shown(one.next)}`),
            ),
            cell("From", { class: "c-origin" }, ORIGINS[one.origin] ?? h("code", null, one.origin)),
            cell("Meaning", { class: "c-text" }, withCode(one.text)),
          ),
        ),
      ),
    ),
  );
}

/** What takes effect at once, as requests. @param {Api.Status} status */
function whileItRuns(status) {
  const held = status.holds.map((hold) => hold.route);
  const used = status.budget.caps.some((cap) => cap.share >= 1);
  const isStopped = status.paused || held.length > 0 || used;
  return h(
    "section",
    { class: "card live-settings", "aria-labelledby": "live-settings" },
    h("h2", { id: "live-settings" }, "While the swarm runs"),
    h(
      "dl",
      null,
      line("Workers", scaleForm(status)),
      line("New tasks", status.paused ? "do not start" : "start", " ", pauseAndResume(status.paused, isStopped)),
      held.length > 0 && line("Routes on hold", held.join(", "), ". After you resume, they are tried again."),
      used && line("Budget", "A cap is used up. After you resume, it is counted from zero."),
    ),
  );
}

const line = (word, ...content) => h("div", { key: word }, h("dt", null, word), h("dd", null, ...content));
/** Resuming is for everything that is stopped, on hold or used up. */
const pauseAndResume = (paused, isStopped) => [
  !paused && h("button", { type: "button", class: "small", key: "pause", onclick: verbs.pause }, "Pause"),
  " ",
  isStopped && h("button", { type: "button", class: "small", key: "resume", onclick: verbs.resume }, "Resume"),
];

/** Scaling changes the number of workers, not the setting. @param {Api.Status} status */
function running({ workers }, wanted) {
  const alive = workers.filter((worker) => worker.alive).length;
  return alive > 0 && alive !== wanted && h("p", { class: "quiet small" }, `${count(alive)} running now`);
}

function shown(value) {
  if (value === null || value === "") return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A text with names in backticks, as nodes. */
const withCode = (text) => text.split("`").map((part, place) => (place % 2 ? h("code", null, part) : part));
