import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { complete } from "../../services/swarm_dashboard/static/lists/completions.js";
import * as saved from "../../services/swarm_dashboard/static/lists/savedsearches.js";

beforeEach(() => {
  const kept = new Map();
  globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
});

test("a qualifier is completed, and what stands before it stays", () => {
  assert.deepEqual(complete("crash st", {}), ["crash status:"]);
  assert.deepEqual(complete("p", {}), ["phase:", "priority:"]);
});

test("a value is completed from what the queue has, quoted where it has blanks", () => {
  assert.deepEqual(complete("status:fai", {}), ["status:failed"]);
  assert.deepEqual(complete("x phase:b", { phases: ["build", "big plan", "core"] }), [
    "x phase:build",
    'x phase:"big plan"',
  ]);
  assert.deepEqual(complete("worker:", { workers: ["worker-1"] }), ["worker:worker-1"]);
});

test("what is whole, unknown or empty is not completed", () => {
  assert.deepEqual(complete("status:failed", {}), []);
  assert.deepEqual(complete("error:boom", {}), []);
  assert.deepEqual(complete("", {}), []);
});

test("saved searches come first", () => {
  saved.toggle("status:held phase:core");
  assert.deepEqual(complete("st", { saved: saved.all() }), ["status:held phase:core", "status:"]);
  saved.toggle("status:held phase:core");
  assert.deepEqual(saved.all(), []);
});
