// @ts-check
// Which files two attempts change differently.

import { h } from "../dom.js";
import { count, plural } from "../format.js";

const HEAD = /^diff --git /m;
// Blob ids and line numbers also differ if the attempts began on different commits, so they are ignored.
const POSITIONS = /^(index .*|@@ -\S+ \+\S+ @@.*)$/gm;

/**
 * @param {Api.Change | null} one
 * @param {Api.Change | null} other
 * @returns {{ differ: { path: string, sizes: (Api.FileChange | null)[] }[], same: number }}
 */
export function compare(one, other) {
  const [left, right] = [byPath(one), byPath(other)];
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort();
  const differ = paths.filter((path) => left.get(path)?.patch !== right.get(path)?.patch);
  return {
    differ: differ.map((path) => ({
      path,
      sizes: [left.get(path)?.file ?? null, right.get(path)?.file ?? null],
    })),
    same: paths.length - differ.length,
  };
}

/** @param {Api.Change | null} change */
function byPath(change) {
  const patches = change?.patch.split(HEAD).slice(1) ?? [];
  return new Map(
    change?.files.map((file, place) => [file.path, { file, patch: patches[place]?.replace(POSITIONS, "") }]) ?? [],
  );
}

/**
 * What changed between two attempts, file by file.
 * @param {Api.Attempt[]} two
 * @param {(Api.Change | null)[]} changes
 */
export function fileDiffs(two, changes) {
  const { differ, same } = compare(changes[0], changes[1]);
  if (!differ.length && !same) return null;
  return h(
    "div",
    { class: "filediffs", key: "filediffs" },
    h("h3", null, "Changed differently"),
    differ.length > 0 &&
      h(
        "table",
        { class: "pair" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            h("th", { scope: "col" }, "File"),
            two.map((one) => h("th", { scope: "col" }, `attempt ${one.number}`)),
          ),
        ),
        h(
          "tbody",
          null,
          differ.map(({ path, sizes }) =>
            h(
              "tr",
              { key: path },
              h("th", { scope: "row" }, h("code", null, path)),
              sizes.map((file) => h("td", null, size(file))),
            ),
          ),
        ),
      ),
    h(
      "p",
      { class: "quiet small" },
      same ? `${plural(same, "file")} changed in the same way by both.` : "No file is changed in the same way by both.",
      changes.some((change) => change?.truncated) &&
        " Long diffs are truncated and compared only as far as they are shown.",
    ),
  );
}

/** @param {Api.FileChange | null} file */
function size(file) {
  if (!file) return h("span", { class: "quiet" }, "not changed");
  return file.added === null ? "binary" : `+${count(file.added)} −${count(file.deleted ?? 0)}`;
}
