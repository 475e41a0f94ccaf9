import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { BLOCK, LogLines } from "../../services/swarm_dashboard/static/log/loglines.js";

const page = {
  shows: () => false,
  changed: (...what) => heard.push(["changed", ...what]),
  gone: (n) => heard.push(["gone", n]),
};
let heard = [];
let asked = [];

/** A server whose log has `total` lines. */
function serve(total, text = (n) => `line ${n}`) {
  globalThis.localStorage = { getItem: () => "token" };
  globalThis.fetch = async (path) => {
    const query = new URL(path, "http://here").searchParams;
    asked.push(path);
    let first = Number(query.get("first"));
    if (first < 0) first = Math.max(0, total + first);
    const lines = [];
    for (let n = first; n < Math.min(total, first + Number(query.get("count"))); n += 1) lines.push({ text: text(n) });
    return { ok: true, json: async () => ({ total, first, lines, ended: true, complete: true, lost: 0 }) };
  };
}

beforeEach(() => {
  heard = [];
  asked = [];
});

test("a long log is loaded in blocks, and each only once", async () => {
  serve(1_000);
  const lines = new LogLines("/log", 1, page);
  lines.take(await lines.ask({ fromEnd: false }));
  assert.equal(lines.total, 1_000);
  assert.equal(lines.count, 1_000 / BLOCK);
  await Promise.all([lines.load(3), lines.load(3)]);
  await lines.load(3);
  assert.equal(lines.block(3)[0].text, `line ${3 * BLOCK}`);
  assert.equal(asked.length, 2);
});

test("a block that grew says from which line on it changed", async () => {
  serve(10);
  const lines = new LogLines("/log", 1, page);
  lines.take(await lines.ask({ fromEnd: false }));
  serve(12, (n) => (n === 9 ? "line 9, whole" : `line ${n}`));
  lines.take(await lines.ask({ fromEnd: false }));
  assert.deepEqual(heard, [["changed", 0, 9]]);
});

test("a log that became shorter is forgotten as a whole", async () => {
  serve(500);
  const lines = new LogLines("/log", 1, page);
  lines.take(await lines.ask({ fromEnd: false }));
  serve(20);
  lines.take(await lines.ask({ fromEnd: false }));
  assert.deepEqual(heard, [["gone", undefined]]);
});

test("blocks that are not shown are dropped in the end", async () => {
  serve(BLOCK * 100);
  const lines = new LogLines("/log", 1, page);
  lines.take(await lines.ask({ fromEnd: false }));
  for (let n = 0; n < 80; n += 1) await lines.load(n);
  assert.equal(lines.has(0), false);
  assert.equal(lines.has(79), true);
});

test("pushed lines continue the block, and the cut last line is replaced", async () => {
  serve(BLOCK - 1);
  const lines = new LogLines("/log", 1, page);
  lines.take(await lines.ask({ fromEnd: false }));
  const state = { ended: false, complete: true, lost: 0 };
  const pushed = [{ text: "line 198, whole" }, { text: "a" }, { text: "b" }];
  lines.append({ ...state, total: BLOCK + 1, first: BLOCK - 2, lines: pushed });
  assert.deepEqual(heard, [["changed", 0, BLOCK - 2]]);
  assert.deepEqual([lines.block(0).length, lines.block(0).at(-1).text], [BLOCK, "a"]);
  assert.deepEqual(lines.block(1), [{ text: "b" }]);
});

test("pushed lines behind a hole are left to be loaded", async () => {
  serve(10);
  const lines = new LogLines("/log", 1, page);
  lines.take(await lines.ask({ fromEnd: false }));
  lines.append({
    total: 3 * BLOCK,
    ended: false,
    complete: true,
    lost: 0,
    first: 2 * BLOCK + 5,
    lines: [{ text: "x" }],
  });
  assert.equal(lines.total, 3 * BLOCK);
  assert.equal(lines.has(2), false);
});
