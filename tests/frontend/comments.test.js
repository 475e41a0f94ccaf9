import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { clearComments, comment, commentsOn, noteOf } from "../../services/swarm_dashboard/static/diff/comments.js";

beforeEach(() => {
  const kept = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
  };
});

test("comments become a note with their places", () => {
  comment("a", { path: "x.py", line: 3, side: "new", text: "off by one" });
  comment("a", { path: "x.py", line: 2, side: "old", text: "why removed?" });
  comment("b", { path: "y.py", line: 1, side: "new", text: "other task" });
  assert.equal(noteOf("a"), "x.py:3: off by one\nx.py:2 (removed line): why removed?");
});

test("a comment is replaced, removed by an empty one, and cleared", () => {
  const place = { path: "x.py", line: 3, side: "new" };
  comment("a", { ...place, text: "one" });
  comment("a", { ...place, text: "two" });
  assert.deepEqual(
    commentsOn("a").map(({ text }) => text),
    ["two"],
  );
  comment("a", { ...place, text: "" });
  assert.equal(noteOf("a"), "");
  comment("a", { ...place, text: "again" });
  clearComments("a");
  assert.deepEqual(commentsOn("a"), []);
});
