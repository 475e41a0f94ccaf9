// @ts-check
// Problems of the whole swarm that need you: each with its meaning, advice and a button.

import { h } from "./dom.js";
import { plural } from "./format.js";
import { at, command, elapsed } from "./pieces.js";
import * as verbs from "./verbs.js";

const FLAGS = {
  paused: ["Paused", "No new tasks start; running tasks continue."],
  drained: ["Shutting down", "Running tasks will finish; no new ones start."],
  emergency_stop: ["Emergency stop", "All sessions were stopped; no tasks start."],
  disk_low: ["The disk is nearly full", "No new tasks start. Free some space; the swarm then continues automatically."],
  runner_down: ["The runner cannot start anything", "No new tasks start until it works again; the reaper tests it."],
};

const WHO = {
  dashboard: "requested from the dashboard",
  cli: "requested on the command line",
  budget: "by the budget",
  reaper: "by the reaper",
  "the swarm": "by the swarm",
};

const STOPPED = new Set(["drained", "emergency_stop"]);

// Other kinds end without the user.
const ADVICE = {
  credentials: ["Sign in to the agent CLI again, in a terminal. Then try it: ", "amplifier-swarm doctor"],
  quota: ["Its quota is used up. Raise it or wait for the next period, then try again.", null],
  startup: ["It cannot start. To see why: ", "amplifier-swarm doctor"],
};

const stopRunning = (running) =>
  h(
    "button",
    { type: "button", class: "small danger", onclick: () => verbs.emergencyStop(running) },
    `Stop ${plural(running, "running task")}…`,
  );
const resume = (words) => h("button", { type: "button", class: "small primary", onclick: verbs.resume }, words);
const warning = (key, kind, ...content) =>
  h("div", { class: "warning", "data-kind": kind, key }, h("div", null, ...content.slice(0, -1)), content.at(-1));

/** Nodes, the most urgent first; empty when the swarm as a whole needs nothing from you. */
export function warnings(status) {
  return [
    ...status.flags.map((one) => flag(one, status)),
    ...status.holds.map(hold),
    ...late(status),
    ...unstaffed(status),
  ];
}

function flag({ name, actor, set_at: since, reason }, { running }) {
  const [words, meaning] = FLAGS[name] ?? [name, ""];
  const stops = name === "paused" && running.length > 0;
  return warning(
    `flag-${name}`,
    name,
    h("strong", null, words),
    ` (${WHO[actor] ?? `requested by ${actor}`}, `,
    elapsed(since),
    " ago). ",
    meaning,
    reason && ` ${reason[0].toUpperCase()}${reason.slice(1)}. `,
    name !== "disk_low" && [stops && stopRunning(running.length), stops && " ", resume("Resume")],
  );
}

function hold({ route, kind, reason, until }) {
  const [advice, line] = ADVICE[kind] ?? ["It needs you. ", null];
  return warning(
    `hold-${route}`,
    "hold",
    h("strong", null, `${route} is on hold`),
    `: ${reason}. `,
    until ? ["Next try at ", at(until), ". "] : [advice, line && command(line), " "],
    resume("Try again now"),
  );
}

function late({ pulse: { to_land: waiting } }) {
  if (!waiting.late) return [];
  return [
    warning(
      "late",
      "late",
      h(
        "strong",
        null,
        `${plural(waiting.tasks, "task")} passed but ${waiting.tasks === 1 ? "has" : "have"} not landed`,
      ),
      ", the first for ",
      elapsed(waiting.since),
      ". ",
      h("a", { class: "button small", href: "/landing" }, "Look"),
    ),
  ];
}

function unstaffed({ tasks, staff, services, flags }) {
  const open = tasks.not_started.count + tasks.in_progress.count;
  if (!open || staff.takers || flags.some((flag) => STOPPED.has(flag.name))) return [];
  const leaving = [
    ...staff.draining.map((id) => `${id} is draining`),
    ...staff.retiring.map((id) => `${id} is leaving`),
  ];
  const words = leaving.length
    ? ["No worker takes tasks", `: ${leaving.join(", ")}. `]
    : ["No worker is running", ". "];
  const reaper = services.reaper && !services.reaper.stopped_at;
  return [
    warning(
      "no-workers",
      "no-workers",
      h("strong", null, words[0]),
      words[1],
      `${plural(open, "task")} ${open === 1 ? "is" : "are"} open. `,
      staff.draining.length
        ? resume("Resume")
        : reaper
          ? h("a", { class: "button small primary", href: "/workers" }, "Set the number of workers")
          : ["Start the swarm with ", command("amplifier-swarm start")],
    ),
  ];
}
