import "./document.js";
import assert from "node:assert/strict";
import { test } from "node:test";

document.getElementById = () => null;
globalThis.addEventListener ??= () => {};
const { details } = await import("../../services/swarm_dashboard/static/screens/audit.js");

test("details of a request are words, whatever its argument holds", () => {
  assert.equal(details({ workers: 3, now: false }), "workers 3");
  assert.equal(details({ workers: 0, now: true }), "workers 0, now");
  assert.equal(details({ note: "use v2", max_retries: 1 }), "“use v2”, max retries 1");
  assert.equal(
    details({ task: { name: "Write the manual", files: ["a"] }, hold: true }),
    "task Write the manual, hold",
  );
  assert.equal(
    details({ set: { name: "n", acceptance_criteria: [] }, was: { name: "m" } }),
    "set name, acceptance criteria",
  );
  assert.equal(details({ ids: ["a", "b"], nothing: null }), "ids a, b");
  assert.equal(details({}), "");
});
