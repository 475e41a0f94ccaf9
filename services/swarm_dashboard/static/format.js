// @ts-check
// Formatting of numbers, times and statuses.

let offset = 0;

/** Set the offset between this clock and the server's. */
export function learnClock(serverNow) {
  offset = Date.parse(serverNow) - Date.now();
}

export const now = () => Date.now() + offset;

const unit = (n, word) => `${n}\u00a0${word}`;

/** Seconds as the two largest units: "3 h 20 min". */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return unit(s, "s");
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 && m < 10 ? `${unit(m, "min")} ${unit(s % 60, "s")}` : unit(m, "min");
  const hours = Math.floor(m / 60);
  if (hours < 48) return m % 60 ? `${unit(hours, "h")} ${unit(m % 60, "min")}` : unit(hours, "h");
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 10 ? `${unit(days, "d")} ${unit(hours % 24, "h")}` : unit(days, "d");
}

export const sinceSeconds = (iso) => (now() - Date.parse(iso)) / 1000;
export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** A local time; with the day unless it is today. */
export function moment(iso) {
  if (!iso) return "–";
  const when = new Date(iso);
  const clock = CLOCK.format(when);
  return when.toDateString() === new Date(now()).toDateString() ? clock : `${DAY.format(when)}, ${clock}`;
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
/** A text of the diagnosis with local times and without backticks. */
export const readable = (text) => text.replace(TIME, (iso) => moment(iso)).replaceAll("`", "");
export const capitalized = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

const MINUTES = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
/** The time in this many seconds, to the minute; with the day unless it is today. */
export function momentIn(seconds) {
  const when = new Date(now() + seconds * 1000);
  const isToday = when.toDateString() === new Date(now()).toDateString();
  return isToday ? MINUTES.format(when) : `${DAY.format(when)}, ${MINUTES.format(when)}`;
}

const COUNT = new Intl.NumberFormat();
export const count = (n) => COUNT.format(n);
const HOURS = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
export const hours = (n) => unit(HOURS.format(n), "h");
// Rounded down, as on the command line: 100% means all.
export const percent = (part) => `${Math.floor(part * 100 + 1e-9)}%`;
const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
export const compact = (n) => SHORT.format(n);
const DOLLARS = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  currencyDisplay: "narrowSymbol",
});
export const dollars = (n) => DOLLARS.format(n);
export const plural = (n, word, many = `${word}s`) => `${count(n)} ${n === 1 ? word : many}`;

export function bytes(n) {
  if (n < 1024) return unit(n, "B");
  return n < 1024 * 1024 ? unit(Math.round(n / 1024), "KiB") : unit((n / 1024 / 1024).toFixed(1), "MiB");
}

const WORDS = {
  not_started: "ready",
  blocked: "blocked",
  waiting_files: "waits for files",
  scheduled: "scheduled",
  claimed: "claimed",
  in_progress: "in progress",
  approved: "approved",
  landing: "landing",
  completed: "completed",
  failed: "failed",
  held: "held",
  cancelled: "cancelled",
};
export const statusWord = (status) => WORDS[status] ?? status;
export const groupWord = (group) => (group === "not_started" ? "not started" : group.replace("_", " "));

const FAILURES = {
  quality: "not accepted",
  crash: "crash",
  unreadable: "unreadable answer",
  provider: "provider",
  setup: "setup",
  interrupted: "interrupted",
};
/** What kind of failure it was, in words. */
export const failureWord = (kind) => FAILURES[kind] ?? "failure";

const EVENTS = {
  orphaned: "worker lost",
  manual_retry: "retried",
  requeued: "requeued",
  retry_scheduled: "retry scheduled",
  landing_failed: "landing refused",
  same_problem: "same problem again",
};
/** What happened, in words. */
export const eventWord = (type) => EVENTS[type] ?? type.replaceAll("_", " ");

const HELD_BECAUSE = {
  killed: "It was killed on request.",
  by_person: "It is on hold by request.",
  crashed_repeatedly: "Its attempts crashed too often in a row.",
  unreadable_answer: "The agent's answer wasn't in the required format.",
  not_proven_dead: "Processes of its last attempt may still be running.",
  objection: "The validator objected.",
  same_problem: "It failed with the same problem twice.",
  proposed: "Proposed by another task's agent. Release it to approve.",
  as_imported: "Its task file says held.",
  cannot_start: "No session of it can be started.",
  not_landed: "Its work passed, but its landing was refused too often.",
  budget: "Its own budget is used up. Release it for a fresh one.",
  question: "Its agent has a question for you.",
  shared_stash: "It took a git stash of yours or of another session.",
};
export const heldBecause = (reason) => HELD_BECAUSE[reason] ?? "It needs you.";
