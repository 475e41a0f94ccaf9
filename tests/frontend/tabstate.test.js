import assert from "node:assert/strict";
import { test } from "node:test";
import { stateOf } from "../../services/swarm_dashboard/static/frame/tabstate.js";

const amount = (count) => ({ count, hours: 0 });
const status = (changed = {}) => ({
  needs: { failed: 0, held: 0, cancelled: 0, total: 0, groups: 0 },
  obstacles: [],
  paused: false,
  running: [],
  progress: 0,
  tasks: { total: amount(4), completed: amount(0) },
  ...changed,
});

test("what needs you comes first, with its number", () => {
  const found = stateOf(status({ needs: { groups: 3 }, paused: true, running: [{}] }));
  assert.deepEqual(found, { state: "needs", needs: 3, words: "needs you" });
});

test("the number is that of the Inbox, also for a stop alone, which is called by its name", () => {
  const stopped = status({ needs: { groups: 1 }, obstacles: [{ code: "paused" }], running: [{}] });
  assert.deepEqual(stateOf(stopped), { state: "paused", needs: 1, words: "Paused" });
  const both = status({ needs: { groups: 2 }, obstacles: [{ code: "paused" }] });
  assert.deepEqual(stateOf(both), { state: "needs", needs: 2, words: "needs you" });
});

test("otherwise the state of the work is said", () => {
  assert.equal(stateOf(null).words, "Now");
  assert.equal(stateOf(status({ running: [{}, {}], progress: 0.37 })).words, "2 running, 37%");
  assert.equal(stateOf(status({ tasks: { total: amount(4), completed: amount(4) } })).words, "All done");
  assert.equal(stateOf(status({ tasks: { total: amount(0), completed: amount(0) } })).state, "");
});
