import "./document.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { BOX, curve, left, neighbours, PITCH, top } from "../../services/swarm_dashboard/static/pictures/graphshape.js";
import { said } from "../../services/swarm_dashboard/static/pictures/graphwords.js";

const box = (id, column, row, more = {}) => ({
  id,
  name: id,
  column,
  row,
  status: "not_started",
  group: "not_started",
  hours: 1,
  ...more,
});
const boxes = [box("a", 0, 0), box("b", 1, 0), box("c", 2, 1)];
const data = {
  boxes,
  links: [
    [0, 1],
    [1, 2],
    [0, 2],
  ],
  critical: { places: [0, 1, 2], seconds: 7_200, usual_s: 60, usual_is_measured: true },
};
const text = (nodes) =>
  [nodes]
    .flat()
    .map((node) => node.textContent ?? node)
    .join("")
    .replaceAll("\u00a0", " ");

test("neighbours are what a box needs and what needs it", () => {
  assert.deepEqual(neighbours(data, boxes[1]), [[boxes[0]], [boxes[2]]]);
  assert.deepEqual(neighbours(data, boxes[0]), [[], [boxes[1], boxes[2]]]);
});

test("a link leaves on the right, ends on the left, and passes its bends", () => {
  const path = curve(boxes[0], boxes[2], [0.5]);
  assert.ok(path.startsWith(`M${left(boxes[0]) + BOX.width} ${top(boxes[0]) + BOX.height / 2}`));
  assert.ok(path.includes(`H${PITCH.x + 14 + BOX.width}`));
  assert.ok(path.endsWith(`${left(boxes[2]) - 2} ${top(boxes[2]) + BOX.height / 2}`));
});

test("without a box the critical path is said, with its length", () => {
  assert.equal(text(said(data, null)), "Critical path (bold): 3 tasks, a … c, about 2 h at best.");
  assert.equal(text(said({ ...data, critical: { ...data.critical, places: [] } }, null)), "Everything shown is done.");
});

test("a box says what it needs and what needs it", () => {
  assert.match(text(said(data, "b")), /needs a · needed by c/);
});
