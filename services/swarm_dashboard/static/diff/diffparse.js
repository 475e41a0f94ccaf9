// @ts-check
// A file's patch as rows: hunks, lines with their numbers, and the same lines in two columns.

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/**
 * @typedef {{ kind: "hunk" | "same" | "plus" | "minus" | "note", text: string, old?: number, new?: number }} Row
 */

/**
 * The rows of one file's patch, up to `most`.
 * @param {string[]} lines
 * @param {number} most
 * @returns {{ rows: Row[], left: number }} `left`: how many lines are not among the rows
 */
export function parse(lines, most) {
  /** @type {Row[]} */
  const rows = [];
  let before = 0;
  let after = 0;
  let inHunk = false;
  let read = 0;
  for (const line of lines) {
    if (rows.length >= most) return { rows, left: lines.length - read };
    read += 1;
    const hunk = HUNK.exec(line);
    if (hunk) {
      [before, after, inHunk] = [Number(hunk[1]), Number(hunk[2]), true];
      rows.push({ kind: "hunk", text: line });
    } else if (inHunk && line !== "") {
      const text = line.slice(1);
      if (line[0] === "+") rows.push({ kind: "plus", text, new: after++ });
      else if (line[0] === "-") rows.push({ kind: "minus", text, old: before++ });
      else if (line[0] === " ") rows.push({ kind: "same", text, old: before++, new: after++ });
      else rows.push({ kind: "note", text: line });
    }
  }
  return { rows, left: 0 };
}

/**
 * Rows in pairs of old and new: each deleted row next to its replacement.
 * @param {Row[]} rows
 * @returns {[Row | null, Row | null][]} hunks and notes are in both places
 */
export function paired(rows) {
  /** @type {[Row | null, Row | null][]} */
  const pairs = [];
  let minus = [];
  let plus = [];
  const flush = () => {
    for (let n = 0; n < Math.max(minus.length, plus.length); n += 1) pairs.push([minus[n] ?? null, plus[n] ?? null]);
    minus = [];
    plus = [];
  };
  for (const row of rows) {
    if (row.kind === "minus") {
      if (plus.length) flush();
      minus.push(row);
    } else if (row.kind === "plus") plus.push(row);
    else {
      flush();
      pairs.push([row, row]);
    }
  }
  flush();
  return pairs;
}
