import assert from "node:assert/strict";
import { test } from "node:test";
import { beginOf, box, levels, moments, scale } from "../../services/swarm_dashboard/static/pictures/plot.js";

test("levels are round, few, and reach the largest value", () => {
  assert.deepEqual(levels(0), [1]);
  assert.deepEqual(levels(3), [1, 2, 3]);
  assert.deepEqual(levels(47), [20, 40, 60]);
  for (const most of [4, 9, 11, 99, 101, 1_234]) {
    assert.ok(levels(most).at(-1) >= most, `${most}`);
    assert.ok(levels(most).length <= 4, `${most}`);
  }
});

test("a scale maps both ends", () => {
  const place = scale(100, 200, 10, 30);
  assert.deepEqual([100, 150, 200].map(place), [10, 20, 30]);
});

test("moments have room for their words", () => {
  const hour = 3_600_000;
  const from = Date.parse("2026-11-28T08:03:00Z");
  for (const width of [300, 900, 1_800]) {
    const place = scale(from, from + hour, 0, width);
    const found = moments(from, from + hour, width).map(({ at }) => place(at));
    assert.ok(found.length >= 2, `${width}`);
    for (let n = 1; n < found.length; n += 1) assert.ok(found[n] - found[n - 1] >= 70, `${width}`);
  }
});

test("a box is path data with two decimals", () => {
  assert.equal(box(1.234_5, 2, 3, 4), "M1.23 2h3v4h-3z");
});

test("the window begins with the first attempt, within its range", () => {
  const minute = 60_000;
  const now = Date.parse("2026-11-29T08:00:00Z");
  const since = (minutes) => new Date(now - minutes * minute).toISOString();
  const base = now - 60 * minute;
  const lanes = [{ blocks: [{ start: 50 * 60 }] }, { blocks: [] }];
  assert.equal(beginOf(lanes, [], base, now, 60 * minute), now - 10 * minute);
  assert.equal(beginOf(lanes, [{ claimed_at: since(20) }], base, now, 60 * minute), now - 20 * minute);
  assert.equal(beginOf(lanes, [{ claimed_at: since(90) }], base, now, 60 * minute), now - 60 * minute);
  assert.equal(beginOf([], [{ claimed_at: since(0) }], base, now, 60 * minute), now - 2 * minute);
});
