// @ts-check
// The data of the last hours, shared by all charts and loaded only as often as they can show it.

import { get } from "../api.js";
import { h } from "../dom.js";

export const RANGES = { "15m": ["15 min", 15], "1h": ["1 h", 60], "6h": ["6 h", 360], "24h": ["24 h", 1440] };
const USUAL = "1h";
const LEAST_GAP_MS = 2_000;
const PX_OF_WINDOW = 600; // the edge of the window moves on by a pixel in a 600th of its range
const SLOTS = 240;

/** @type {any} */
let data = null;
/** @type {Error | null} */
let failure = null;
/** @type {{ range: string | null, seq: number, at: number }} */
let asked = { range: null, seq: -1, at: 0 };
let newest = -1; // the last event that the pictures should include
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
const followers = new Set();

export const rangeOf = (query) => (query.get("range") in RANGES ? query.get("range") : USUAL);
export const rangeMs = (range) => RANGES[range][1] * 60_000;

/** The data last loaded for this range, or null. */
export const known = (range) => (data?.range === range ? data : null);
export const problem = () => failure;

/** Register a picture for this range as of an event; it is redrawn when newer data arrives. */
export function follow(picture, range, seq) {
  followers.add(picture);
  newest = seq;
  if (asked.range !== range) load(range);
  else if (asked.seq !== seq || Date.now() - asked.at > 4 * gapOf(range)) loadLater(range);
}

const gapOf = (range) => Math.max(LEAST_GAP_MS, Math.min(30_000, rangeMs(range) / PX_OF_WINDOW));

function loadLater(range) {
  if (timer === undefined) timer = setTimeout(() => load(range), Math.max(0, gapOf(range) + asked.at - Date.now()));
}

async function load(range) {
  clearTimeout(timer);
  timer = undefined;
  const seq = newest;
  asked = { range, seq, at: Date.now() };
  try {
    const answer = await get("/api/timeline", { range, slots: SLOTS, seq });
    if (asked.range !== range) return;
    data = answer;
    failure = null;
    // Expensive data may be slightly old: if it lacks the newest events, it is requested again.
    if (answer.seq < newest) loadLater(range);
  } catch (error) {
    failure = error;
  }
  for (const picture of followers) {
    if (picture.node.isConnected) picture.draw();
    else followers.delete(picture);
  }
}

/** Links to the other ranges; the choice is part of the address and applies to all pictures of the screen. */
export function ranges(query) {
  const now = rangeOf(query);
  return h(
    "nav",
    { class: "tabs small ranges", "aria-label": "Range" },
    Object.entries(RANGES).map(([range, [words]]) => {
      const next = new URLSearchParams(query);
      next.set("range", range);
      return h(
        "a",
        { key: range, href: `${location.pathname}?${next}`, "aria-current": range === now ? "true" : null },
        words,
      );
    }),
  );
}
