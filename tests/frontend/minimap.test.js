import "./document.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { outlines, partOf, sizeOf } from "../../services/swarm_dashboard/static/pictures/minimap.js";

test("the map has the shape of the graph", () => {
  assert.deepEqual(sizeOf({ width: 4000, height: 2000 }), { width: 190, height: 95 });
});

test("a graph of one column or row keeps a map that can be hit", () => {
  assert.deepEqual(sizeOf({ width: 200, height: 20_000 }), { width: 56, height: 190 });
  assert.deepEqual(sizeOf({ width: 20_000, height: 60 }), { width: 190, height: 56 });
});

test("a box of a very large graph can still be seen", () => {
  const whole = { width: 2_000, height: 100_000 };
  const [, height] = /v([\d.]+)h/.exec(outlines([{ column: 0, row: 0 }], whole, sizeOf(whole)));
  assert.ok((Number(height) * 190) / whole.height >= 2);
});

test("the part in view is in the units of the graph, and none when everything is in view", () => {
  const scroll = {
    scrollWidth: 900,
    scrollHeight: 300,
    clientWidth: 300,
    clientHeight: 300,
    scrollLeft: 60,
    scrollTop: 0,
  };
  assert.deepEqual(partOf(scroll, 0.5), { x: 120, y: 0, width: 600, height: 600 });
  assert.equal(partOf({ ...scroll, clientWidth: 900 }, 0.5), null);
  assert.equal(partOf(null, 1), null);
});
