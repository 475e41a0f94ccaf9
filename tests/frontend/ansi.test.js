import "./document.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ansi } from "../../services/swarm_dashboard/static/log/ansi.js";

const shown = (nodes) => nodes.map((node) => (node.tag === "#text" ? node.text : [node.className, node.textContent]));
const read = (...pieces) => {
  const ansi = new Ansi();
  return shown(pieces.flatMap((piece) => ansi.nodes(piece)));
};

test("colours become classes and end where they are reset", () => {
  assert.deepEqual(read("a \x1b[31mred\x1b[0m b"), ["a ", ["ansi-red", "red"], " b"]);
  assert.deepEqual(read("\x1b[1;94mblue"), [["bold ansi-blue", "blue"]]);
});

test("every other escape sequence is dropped", () => {
  assert.deepEqual(read("a\x1b[2Kb\x1b]0;title\x07c\x1b[?25ld"), ["a", "b", "c", "d"]);
  assert.deepEqual(read("bell\x07 and\x00 null"), ["bell", " and", " null"]);
});

test("extended colours are read over, not taken for others", () => {
  assert.deepEqual(read("\x1b[38;5;31mx\x1b[48;2;31;32;33my"), ["x", "y"]);
});

test("a sequence that is cut waits for its rest", () => {
  assert.deepEqual(read("a\x1b[3", "2mgreen"), ["a", ["ansi-green", "green"]]);
});

test("a carriage return draws the line anew", () => {
  assert.deepEqual(read("10 %\r50 %\r100 %\nnext\r\n"), ["100 %\nnext\n"]);
});

test("a later block continues with the colours of the one before", () => {
  const first = new Ansi();
  first.nodes("\x1b[33mwarning");
  assert.deepEqual(shown(new Ansi(first).nodes("still")), [["ansi-yellow", "still"]]);
});
