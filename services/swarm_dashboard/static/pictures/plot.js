// @ts-check
// Helpers for charts: round axis steps, times as labels, and boxes as path data.

const MINUTE_S = 60;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].map((minutes) => minutes * MINUTE_S);
const TICK_PX = 74;
const LEAST_WINDOW_MS = 2 * MINUTE_S * 1000;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

const round = (n) => Math.round(n * 100) / 100;

/** Path data of a box. */
export const box = (x, y, width, height) =>
  `M${round(x)} ${round(y)}h${round(width)}v${round(height)}h${round(-width)}z`;

/** A function from a moment (ms) to a place between `left` and `right`. */
export const scale = (from, to, left, right) => (moment) => left + ((moment - from) / (to - from)) * (right - left);

/**
 * Where the window begins (ms): with the first attempt, if all of them fit into the range, but never too late to read.
 * @param {{ blocks: { start: number }[] }[]} lanes  starts in seconds after `base`
 * @param {{ claimed_at: string }[]} running
 * @param {number} base @param {number} until @param {number} range
 */
export function beginOf(lanes, running, base, until, range) {
  const starts = lanes.flatMap(({ blocks }) => blocks.map(({ start }) => base + start * 1000));
  const first = Math.min(until, ...starts, ...running.map(({ claimed_at: at }) => Date.parse(at)));
  return Math.max(until - range, Math.min(first, until - LEAST_WINDOW_MS));
}

/** Round moments between two (ms), so far apart that their words have room; each with its words. */
export function moments(from, to, width) {
  const wanted = ((to - from) / 1000) * (TICK_PX / Math.max(width, TICK_PX));
  const step = (STEPS_S.find((s) => s >= wanted) ?? STEPS_S[STEPS_S.length - 1]) * 1000;
  const zone = new Date(to).getTimezoneOffset() * MINUTE_S * 1000;
  const found = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at < to; at += step) {
    const when = new Date(at);
    const midnight = when.getHours() === 0 && when.getMinutes() === 0;
    found.push({ at, words: midnight || step >= 86_400_000 ? DAY.format(when) : CLOCK.format(when) });
  }
  return found;
}

export const clock = (at) => CLOCK.format(new Date(at));

/** Round numbers from 0 up to at least `most`: two or three lines to read heights by. */
export function levels(most) {
  if (most <= 3) return Array.from({ length: Math.max(most, 1) }, (_, n) => n + 1);
  const rough = most / 3;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * magnitude).find((n) => n >= rough) ?? 10 * magnitude;
  return Array.from({ length: Math.ceil(most / step) }, (_, n) => (n + 1) * step);
}
