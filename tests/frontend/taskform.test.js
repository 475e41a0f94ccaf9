import "./document.js";
import assert from "node:assert/strict";
import { test } from "node:test";

document.getElementById = () => null;
globalThis.addEventListener ??= () => {};
const { changes, lastWord } = await import("../../services/swarm_dashboard/static/requests/taskform.js");

test("only what was changed is sent, with what it was", () => {
  const before = { name: "one", files: ["a.py", "b.py"], priority: "high", dependencies: ["x"] };
  const texts = { name: "one", files: "a.py\nb.py", priority: "2", dependencies: "x, y", description: "" };
  assert.deepEqual(changes(before, texts), {
    set: { priority: 2, dependencies: ["x", "y"] },
    was: { priority: "high", dependencies: ["x"] },
  });
});

test("an emptied field goes back to its default", () => {
  assert.deepEqual(changes({ name: "one", phase: "core" }, { name: "one", phase: " " }), {
    set: { phase: null },
    was: { phase: "core" },
  });
});

test("the id being typed is completed, and those before it are kept", () => {
  assert.deepEqual(lastWord("pay.1, web"), ["pay.1, ", "web"]);
  assert.deepEqual(lastWord("pay.1 "), ["pay.1 ", ""]);
  assert.deepEqual(lastWord(""), ["", ""]);
});
