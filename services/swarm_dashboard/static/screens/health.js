// @ts-check
// Health: the checks of the swarm, each with its state and advice.

import { get } from "../api.js";
import { h } from "../dom.js";
import { plural, readable } from "../format.js";
import { firsts, offered, whatToDo } from "../frame/warnings.js";
import { icon } from "../pieces.js";

export const name = "health";
export const title = () => "Health";
export const follows = true;

const AGAIN_MS = 5_000; // ages change even if nothing happens
const PARTS = { swarm: "Programs", queue: "Queue", file: "Database file" };
const LOOKS = { ok: ["completed", "ok"], warn: ["held", "warning"], bad: ["failed", "error"] };
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

export async function load(place, signal) {
  clearTimeout(timer);
  const found = await get("/api/health", {}, signal);
  timer = setTimeout(() => place.again(), AGAIN_MS);
  return found;
}

export const leave = () => clearTimeout(timer);

/** @param {View<Api.Health>} context */
export function view({ data: { level, checks } }) {
  const open = checks.filter((check) => check.level !== "ok");
  const [group] = LOOKS[level];
  const offers = firsts(open);
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Health"),
    h(
      "p",
      { class: "verdict", "data-group": group, role: "status" },
      icon(group),
      h("strong", null, open.length ? plural(open.length, "issue") : "No issues"),
      h("span", { class: "quiet" }, `${plural(checks.length, "check")}, refreshed every few seconds`),
    ),
    h(
      "div",
      { class: "columns health" },
      Object.entries(PARTS).map(([part, heading]) =>
        h(
          "section",
          { class: "card", key: part },
          h("h2", null, heading),
          h(
            "ul",
            { class: "checks" },
            checks.filter((check) => check.part === part).map((check) => row(check, offers.has(check))),
          ),
        ),
      ),
    ),
  );
}

function row({ name: what, level, text, advice, command: line, action }, offer) {
  const [group, word] = LOOKS[level];
  return h(
    "li",
    { key: `${what} ${level === "ok" ? "" : text.slice(0, 40)}`, "data-group": group },
    icon(group),
    h(
      "div",
      null,
      h("p", { class: "check" }, h("strong", null, what), " ", h("span", { class: "state" }, word)),
      h("p", null, readable(text)),
      (advice || line) && h("p", { class: "why" }, whatToDo({ hint: advice, command: line, action })),
      offer && offered(action),
    ),
  );
}
