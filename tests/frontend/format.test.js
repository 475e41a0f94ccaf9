import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bytes,
  compact,
  count,
  duration,
  groupWord,
  heldBecause,
  hours,
  learnClock,
  momentIn,
  now,
  percent,
  plural,
  sinceSeconds,
  statusWord,
} from "../../services/swarm_dashboard/static/format.js";

const plain = (text) => text.replaceAll("\u00a0", " ");

test("durations use the two largest units", () => {
  const said = [0, 0.4, 59.6, 61, 600, 3_600, 12_000, 172_800, 180_000, 900_000].map((s) => plain(duration(s)));
  assert.deepEqual(said, ["0 s", "0 s", "1 min", "1 min 1 s", "10 min", "1 h", "3 h 20 min", "2 d", "2 d 2 h", "10 d"]);
  assert.equal(plain(duration(-5)), "0 s");
});

test("numbers agree with their nouns", () => {
  assert.equal(plural(1, "file"), "1 file");
  assert.equal(plural(0, "file"), "0 files");
  assert.equal(plural(2, "box", "boxes"), "2 boxes");
});

test("percent never says 100 before everything is done", () => {
  assert.equal(percent(0.9999), "99%");
  assert.equal(percent(0.29), "29%", "although 0.29 * 100 is below 29");
  assert.equal(percent(1), "100%");
});

test("sizes, hours and counts are short", () => {
  assert.deepEqual(
    [0, 1023, 1024, 5 * 1024 * 1024].map((n) => plain(bytes(n))),
    ["0 B", "1023 B", "1 KiB", "5.0 MiB"],
  );
  assert.equal(plain(hours(2.25)).replace(",", "."), "2.3 h");
  assert.equal(count(7), "7");
  assert.match(compact(12_345), /^12[.,]3/);
});

test("ages are measured by the server's clock", () => {
  const ahead = 3_600_000;
  const before = Date.now();
  learnClock(new Date(before + ahead).toISOString());
  const [seen, age] = [now(), sinceSeconds(new Date(before + ahead - 5_000).toISOString())];
  const passed = Date.now() - before; // however busy the machine is
  assert.ok(seen >= before + ahead && seen <= before + ahead + passed);
  assert.ok(age >= 5 && age <= 5 + passed / 1_000);
  learnClock(new Date().toISOString());
});

test("a moment of another day names the day", () => {
  assert.match(momentIn(60), /^\d\d:\d\d$/);
  assert.match(momentIn(3 * 86_400), /\d.*\d\d:\d\d$/);
});

test("no status and no reason is shown by its internal name", () => {
  assert.equal(statusWord("not_started"), "ready");
  assert.equal(groupWord("in_progress"), "in progress");
  assert.equal(heldBecause("no_such_reason"), "It needs you.");
});
