import assert from "node:assert/strict";
import { test } from "node:test";
import "./document.js";

const { stagesOf } = await import("../../services/swarm_dashboard/static/tasktabs/stages.js");
const { compare } = await import("../../services/swarm_dashboard/static/tasktabs/filediffs.js");

const at = (seconds) => new Date(Date.UTC(2026, 0, 1, 12, 0, seconds)).toISOString();
const session = (role, from, to) => ({ role, started_at: at(from), ended_at: to === null ? null : at(to) });

test("checks in a row are one stage, and what runs counts up to now", () => {
  const sessions = [
    session("builder", 0, 40),
    session("check", 41, 43),
    session("check", 43, 44),
    session("validator", 45, null),
  ];
  const landings = [];
  assert.deepEqual(stagesOf({ sessions, landings }, at(55)), [
    { stage: "builder", seconds: 40 },
    { stage: "check", seconds: 3 },
    { stage: "validator", seconds: 10 },
  ]);
});

test("landing comes last and does not count the time in its queue", () => {
  const landings = [{ claimed_at: at(300), ended_at: at(305) }];
  assert.deepEqual(stagesOf({ sessions: [session("builder", 0, 10)], landings }, at(400)), [
    { stage: "builder", seconds: 10 },
    { stage: "landing", seconds: 5 },
  ]);
});

const patch = (path, lines, blob = "1..2") =>
  `diff --git a/${path} b/${path}\nindex ${blob} 100644\n@@ -1 +1 @@\n${lines}\n`;
const change = (...files) => ({
  files: files.map(([path]) => ({ path, added: 1, deleted: 0 })),
  patch: files.map((file) => patch(...file)).join(""),
});

test("files that both attempts change in the same way are only counted", () => {
  const one = change(["a.py", "+x"], ["b.py", "+y"], ["c.py", "+z"]);
  const other = change(["a.py", "+x", "7..8"], ["b.py", "+other"]);
  const { differ, same } = compare(one, other);
  assert.equal(same, 1);
  assert.deepEqual(
    differ.map(({ path, sizes }) => [path, sizes.map((file) => file?.path ?? null)]),
    [
      ["b.py", ["b.py", "b.py"]],
      ["c.py", ["c.py", null]],
    ],
  );
});

test("an attempt without a recorded change is compared as one that changed nothing", () => {
  assert.deepEqual(compare(null, change(["a.py", "+x"])).differ.length, 1);
  assert.deepEqual(compare(null, null), { differ: [], same: 0 });
});
