// What concerns the whole swarm and needs a person: each with what it means, what to do, and the button that does it.

import { h } from "./dom.js";
import { plural } from "./format.js";
import { at, command, elapsed } from "./pieces.js";
import * as verbs from "./verbs.js";

const FLAGS = {
  paused: ["Paused", "No task is started; running ones go on."],
  drained: ["Shut down gracefully", "Running tasks finish, no new one is started."],
  emergency_stop: ["Emergency stop", "Every session was ended; nothing starts."],
  disk_low: ["The disk is nearly full", "No task is started. Free some space: it then goes on by itself."],
};

// Trouble that goes by itself needs nobody; these do.
const SEE_TO_IT = {
  credentials: ["Sign in to the agent CLI again, in a terminal. Then try it: ", "amplifier-swarm doctor"],
  quota: ["Its quota is used up: raise it or wait for the next period, then try again.", null],
  startup: ["It cannot start. What is missing tells ", "amplifier-swarm doctor"],
};

const resume = (words) => h("button", { type: "button", class: "small primary", onclick: verbs.resume }, words);
const warning = (key, kind, ...content) => h("div", { class: "warning", "data-kind": kind, key }, h("div", null, ...content.slice(0, -1)), content.at(-1));

/** Nodes, the most urgent first; empty when the swarm needs nobody. */
export function warnings(status) {
  return [...status.flags.map(flag), ...status.holds.map(hold), ...late(status), ...unstaffed(status)];
}

function flag({ name, actor, set_at: since, reason }) {
  const [words, meaning] = FLAGS[name] ?? [name, ""];
  return warning(`flag-${name}`, name,
    h("strong", null, words), ` by ${actor}, `, elapsed(since), " ago. ", meaning, reason && ` ${reason}. `,
    name !== "disk_low" && resume("Resume"));
}

function hold({ agent_cli: cli, kind, reason, until }) {
  const [advice, line] = SEE_TO_IT[kind] ?? ["It waits for you. ", null];
  return warning(`hold-${cli}`, "hold",
    h("strong", null, `${cli} is on hold`), ` (${kind}): ${reason}. `,
    until ? ["It is tried again at ", at(until), ". "] : [advice, line && command(line), " "],
    resume("Try again now"));
}

function late({ pulse: { to_land: waiting } }) {
  if (!waiting.late) return [];
  return [warning("late", "late",
    h("strong", null, `${plural(waiting.tasks, "task")} passed and ${waiting.tasks === 1 ? "has" : "have"} not landed`),
    ", the first for ", elapsed(waiting.since), ". ",
    h("a", { class: "button small", href: "/landing" }, "Look"))];
}

function unstaffed({ tasks, workers }) {
  const open = tasks.not_started.count + tasks.in_progress.count;
  if (!open || workers.some((worker) => worker.alive)) return [];
  return [warning("no-workers", "no-workers", h("strong", null, "No worker runs. "),
    `${plural(open, "task")} wait${open === 1 ? "s" : ""}. Start with `, command("amplifier-swarm start"), null)];
}
