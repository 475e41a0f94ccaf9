import assert from "node:assert/strict";
import { test } from "node:test";
import { paired, parse } from "../../services/swarm_dashboard/static/diff/diffparse.js";

const PATCH = `diff --git a/x b/x
@@ -3,4 +3,4 @@ def f():
 same
-old one
-old two
+new one
 end
\\ No newline at end of file`.split("\n");

test("lines keep their numbers on both sides", () => {
  const { rows, left } = parse(PATCH, 100);
  assert.equal(left, 0);
  assert.deepEqual(
    rows.map((row) => [row.kind, row.old, row.new, row.text]),
    [
      ["hunk", undefined, undefined, "@@ -3,4 +3,4 @@ def f():"],
      ["same", 3, 3, "same"],
      ["minus", 4, undefined, "old one"],
      ["minus", 5, undefined, "old two"],
      ["plus", undefined, 4, "new one"],
      ["same", 6, 5, "end"],
      ["note", undefined, undefined, "\\ No newline at end of file"],
    ],
  );
});

test("what was deleted is beside what was added in its place", () => {
  const pairs = paired(parse(PATCH, 100).rows).map(([old, now]) => [old?.text ?? null, now?.text ?? null]);
  assert.deepEqual(pairs.slice(2, 5), [
    ["old one", "new one"],
    ["old two", null],
    ["end", "end"],
  ]);
});

test("a long patch is cut, and says how much is left", () => {
  const { rows, left } = parse(PATCH, 2);
  assert.deepEqual([rows.length, left], [2, PATCH.length - 3]);
});
