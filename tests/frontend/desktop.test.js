import assert from "node:assert/strict";
import { test } from "node:test";
import { newsOf } from "../../services/swarm_dashboard/static/frame/desktop.js";

const amount = (count) => ({ count, hours: 0 });
const status = (changed = {}) => ({
  needs: { failed: 0, held: 0, cancelled: 0, total: 0, groups: 0 },
  needs_you: [],
  holds: [],
  flags: [],
  progress: 0.5,
  tasks: { total: amount(4), completed: amount(2), not_started: amount(1), in_progress: amount(1) },
  by_status: {},
  ...changed,
});
const titles = (before, after) => newsOf(before, after).map((one) => one.title);
const held = (total) => status({ needs: { total }, needs_you: [{ id: "a", last_error: "it broke" }] });

test("what was so when the page was opened is no news", () => {
  assert.deepEqual(newsOf(null, held(3)), []);
  assert.deepEqual(newsOf(held(3), held(3)), []);
});

test("more tasks that need you are news, fewer are not", () => {
  const [one] = newsOf(status(), held(1));
  assert.deepEqual(one, { title: "1 task needs you", body: "a: it broke", path: "/inbox" });
  assert.deepEqual(titles(held(1), held(3)), ["3 tasks need you"]);
  assert.deepEqual(titles(held(3), held(1)), []);
});

test("a hold is news when only you can end it, once", () => {
  const on = (until) => status({ holds: [{ route: "claude", reason: "401", until }] });
  assert.deepEqual(titles(status(), on(null)), ["claude is on hold"]);
  assert.deepEqual(titles(on("2026-11-28T12:00:00Z"), on(null)), ["claude is on hold"]);
  assert.deepEqual(titles(status(), on("2026-11-28T12:00:00Z")), []);
  assert.deepEqual(titles(on(null), on(null)), []);
});

test("a pause is news", () => {
  const paused = status({ flags: [{ name: "paused", actor: "worker-1", reason: "the branch was moved" }] });
  assert.deepEqual(titles(status(), paused), ["Paused by worker-1"]);
  assert.deepEqual(titles(paused, paused), []);
});

test("the end of the work is news; tasks that are blocked for good do not put it off", () => {
  const tasks = (completed, left) => ({
    tasks: { total: amount(4), completed: amount(completed), not_started: amount(left), in_progress: amount(0) },
  });
  assert.deepEqual(titles(status(), status(tasks(4, 0))), ["All done"]);
  assert.deepEqual(titles(status(), status({ ...tasks(3, 1), by_status: { blocked: 1 } })), ["Nothing is left to run"]);
  assert.deepEqual(titles(status(tasks(4, 0)), status(tasks(4, 0))), []);
});
