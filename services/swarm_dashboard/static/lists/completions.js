// @ts-check
// Completions of a search: qualifiers, their values, and saved searches.

import { byId, h } from "../dom.js";
import * as saved from "./savedsearches.js";

const MOST = 12;
const STATUSES = [
  "not_started",
  "blocked",
  "waiting_files",
  "scheduled",
  "in_progress",
  "approved",
  "landing",
  "completed",
  "failed",
  "held",
  "cancelled",
];
const VALUES = {
  status: () => STATUSES,
  phase: ({ phases }) => phases,
  worker: ({ workers }) => workers,
  priority: () => ["critical", "high", "medium", "low"],
  since: () => ["30m", "2h", "1d", "1w"],
  type: ({ types }) => types,
  id: () => [],
  error: () => [],
};

/**
 * Whole searches that begin with what was typed: the last word is completed.
 * @param {string} text
 * @param {{ phases?: string[], workers?: string[], types?: string[], saved?: string[] }} known
 * @returns {string[]}
 */
export function complete(text, known) {
  const [, before, word] = /** @type {RegExpExecArray} */ (/^(.*?)(\S*)$/s.exec(text));
  const { phases = [], workers = [], types = [] } = known;
  const earlier = (known.saved ?? []).filter((search) => search.startsWith(text) && search !== text);
  const [key, ...rest] = word.split(":");
  let found;
  if (rest.length) {
    const typed = rest.join(":").replace(/^"/, "").toLowerCase();
    const values = VALUES[key.toLowerCase()]?.({ phases, workers, types }) ?? [];
    found = values
      .filter((value) => value.toLowerCase().startsWith(typed) && value.toLowerCase() !== typed)
      .map((value) => `${key}:${/\s/.test(value) ? `"${value}"` : value}`);
  } else {
    found = word
      ? Object.keys(VALUES)
          .filter((name) => name.startsWith(word.toLowerCase()))
          .map((name) => `${name}:`)
      : [];
  }
  return [...new Set([...earlier, ...found.map((end) => before + end)])].slice(0, MOST);
}

let phases = [];
/** The phases of the queue, as the list of tasks has loaded them. */
export const learnPhases = (names) => {
  phases = names;
};

/** Offer completions below a field. @param {HTMLInputElement} field @param {Api.Status | null} status */
export function offer(field, status) {
  const list = byId("search-completions");
  const workers = (status?.workers ?? []).filter((worker) => worker.alive).map((worker) => worker.worker_id);
  const searches = complete(field.value, { phases, workers, saved: saved.all() });
  list.replaceChildren(...searches.map((value) => h("option", { value })));
}
