// @ts-check
// The state of the swarm in the title and icon of the browser's tab.

import { count, percent } from "../format.js";

const MOST_COUNTED = 100;
/** Flags of the swarm, and obstacles, that keep new tasks from starting. */
export const STOPS = new Set(["paused", "drained", "emergency_stop"]);
const link = /** @type {HTMLLinkElement} */ (globalThis.document?.querySelector('link[rel="icon"]'));

/**
 * The state in one word, how many things need you, and the words for a tab that shows the overview.
 * @param {Api.Status | null} status
 */
export function stateOf(status) {
  if (!status) return { state: "", needs: 0, words: "Now" };
  const needs = status.needs.groups;
  const stops = status.obstacles.filter((one) => STOPS.has(one.code)).length;
  if (needs > stops) return { state: "needs", needs, words: "needs you" };
  if (stops) return { state: "paused", needs, words: "Paused" };
  const running = status.running.length;
  if (running) return { state: "running", needs, words: `${count(running)} running, ${percent(status.progress)}` };
  const { total, completed } = status.tasks;
  if (total.count && total.count === completed.count) return { state: "done", needs, words: "All done" };
  return { state: "", needs, words: "Now" };
}

/** `title`: of the open screen; the overview has none. */
export function showState(title, status) {
  const { state, needs, words } = stateOf(status);
  const text = `${needs ? `(${count(needs)}) ` : ""}${title === "Now" ? words : title} · Amplifier Swarm`;
  if (document.title !== text) document.title = text;
  const icon = state ? `/icon.svg?state=${state}&count=${Math.min(needs, MOST_COUNTED)}` : "/static/icon.svg";
  if (link.getAttribute("href") !== icon) link.setAttribute("href", icon);
}
