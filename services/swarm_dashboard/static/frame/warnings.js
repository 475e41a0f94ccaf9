// @ts-check
// Notices about the whole swarm: the obstacles of its diagnosis, as Health and `status` show them, each with a button.

import { h } from "../dom.js";
import { capitalized, plural, readable } from "../format.js";
import { command } from "../pieces.js";
import * as verbs from "../requests/verbs.js";

// The part of a text before its details.
const CLAUSE = /^.*?(?=\s\(|[;,]\s|:\s|$)/;

const resume = () => h("button", { type: "button", class: "small primary", onclick: verbs.resume }, "Resume");
const link = (href, words) => h("a", { class: "button small", href }, words);

const ACTIONS = {
  resume,
  scale: () => link("/workers", "Set the number of workers"),
  landing: () => location.pathname !== "/landing" && link("/landing", "Landing"),
};

/** A button or link in place of a command. One resume is for everything that is stopped or on hold. */
export const offered = (action) => action && ACTIONS[action]();

/** The findings that get the button of their action: the first of each action, and those without an action. */
export const firsts = (found) =>
  new Set(found.filter((one, place) => !one.action || found.findIndex((two) => two.action === one.action) === place));

/** The advice for a page: without the command where there is a button, and without words that repeat a link. */
export function whatToDo({ hint, command: line, action }) {
  if (action && action !== "resume") return null;
  const words = hint && capitalized(readable(hint));
  if (action || !line) return words && `${words}. `;
  return [words && `${words}: `, command(line)];
}

/**
 * Nodes; empty when the swarm as a whole needs nothing.
 * @param {Api.Status} status
 * @param {(one: Api.Finding) => boolean} wanted
 */
export function warnings({ obstacles, running }, wanted = () => true) {
  const shown = obstacles.filter(wanted);
  const offers = firsts(shown);
  return shown.map((one) =>
    notice(one, {
      offer: offers.has(one),
      stop: one.code === "paused" && running.length > 0 && stopRunning(running.length),
    }),
  );
}

/** The section of a screen with the notices that need you: null when there are none. @param {Api.Status | null} status */
export function notices(status) {
  const shown = status ? warnings(status, lasts) : [];
  return shown.length ? h("section", { class: "warnings", "aria-label": "The swarm", key: "notices" }, shown) : null;
}

/** One that the Inbox lists: it does not pass by itself. */
export const lasts = (one) => !one.passes;

function notice(one, { offer, stop }) {
  const text = capitalized(readable(one.text)).replace(/\.$/, "");
  const clause = CLAUSE.exec(text)?.[0] ?? text;
  return h(
    "div",
    { class: "warning", "data-kind": one.code, "data-level": one.level, key: `${one.code} ${one.target ?? ""}` },
    h(
      "div",
      null,
      h("strong", null, clause),
      text.slice(clause.length),
      ". ",
      (offer || !one.passes) && whatToDo({ hint: one.advice, command: one.command, action: one.action }),
    ),
    h("div", { class: "offers" }, stop, offer && offered(one.action)),
  );
}

const stopRunning = (running) =>
  h(
    "button",
    { type: "button", class: "small danger", onclick: () => verbs.emergencyStop(running) },
    `Stop ${plural(running, "running task")}…`,
  );
