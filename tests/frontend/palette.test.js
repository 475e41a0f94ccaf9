import "./document.js";
import assert from "node:assert/strict";
import { test } from "node:test";

document.getElementById = () => ({ querySelectorAll: () => [], addEventListener() {}, append() {} });
document.addEventListener = () => {};
globalThis.addEventListener ??= () => {};
const { matching } = await import("../../services/swarm_dashboard/static/frame/palette.js");

const entries = ["Landing", "Health", "Pause", "Retry land.docs"].map((words) => ({ words }));
const found = (typed) => matching(entries, typed).map(({ words }) => words);

test("all words must occur, and what begins with the text comes first", () => {
  assert.deepEqual(found("land"), ["Landing", "Retry land.docs"]);
  assert.deepEqual(found("docs retry"), ["Retry land.docs"]);
  assert.deepEqual(found("nothing"), []);
});
