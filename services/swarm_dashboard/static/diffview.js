// @ts-check
// A change, file by file: what was added and deleted by sign, colour and line number; files are unfolded on demand.

import { h } from "./dom.js";
import { count, plural } from "./format.js";

const OPEN_LINES = 400; // so many are unfolded from the beginning
const FILE_LINES = 1_500;
const HEAD = /^diff --git /m;
const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;
const CHANGES = { A: "added", C: "copied", D: "deleted", M: "changed", R: "renamed", T: "type changed" };

/** The whole view of a change as the server tells it. */
export function diffView(change) {
  if (!change.file_count) return h("p", { class: "quiet" }, "No changes.");
  const patches = change.patch.split(HEAD).slice(1);
  let shown = 0;
  return h(
    "div",
    { class: "diff" },
    h(
      "p",
      { class: "sums" },
      h("strong", null, plural(change.file_count, "file")),
      " ",
      signs(change),
      " ",
      h(
        "code",
        { class: "quiet", title: "from … to" },
        `${change.base_sha.slice(0, 9)}..${change.head_sha.slice(0, 9)}`,
      ),
    ),
    change.truncated &&
      h(
        "p",
        { class: "warning" },
        "This diff is truncated. To see all of it: ",
        h("code", { class: "command" }, `git diff ${change.base_sha} ${change.head_sha}`),
      ),
    change.files.map((file, place) => {
      // Git tells files in the same order in its table and in its patch.
      const lines = patches[place]?.split("\n") ?? null;
      const open = lines !== null && shown + lines.length <= OPEN_LINES;
      if (open) shown += lines.length;
      return fileView(file, lines, open);
    }),
    change.file_count > change.files.length &&
      h("p", { class: "quiet" }, `… and ${plural(change.file_count - change.files.length, "more file")}`),
  );
}

function fileView(file, lines, open) {
  const body = h("div", { class: "hunks" });
  const fill = () => body.childNodes.length || body.append(...rows(file, lines));
  if (open) fill();
  return h(
    "details",
    { open, ontoggle: (event) => event.target.open && fill() },
    h(
      "summary",
      null,
      h("code", null, file.old_path ? `${file.old_path} → ${file.path}` : file.path),
      " ",
      h("span", { class: "quiet" }, CHANGES[file.change] ?? file.change),
      " ",
      file.added === null ? h("span", { class: "quiet" }, "binary") : signs(file),
    ),
    body,
  );
}

const signs = ({ added, deleted }) =>
  h(
    "span",
    { class: "signs" },
    h("span", { class: "plus" }, `+${count(added ?? 0)}`),
    " ",
    h("span", { class: "minus" }, `−${count(deleted ?? 0)}`),
  );

function rows(file, lines) {
  if (!lines) return [h("p", { class: "quiet" }, "Its content is not stored.")];
  const made = [];
  let before = 0;
  let after = 0;
  let inHunk = false;
  for (const line of lines) {
    const hunk = HUNK.exec(line);
    if (hunk) {
      [before, after, inHunk] = [Number(hunk[1]), Number(hunk[2]), true];
      made.push(h("div", { class: "hunk" }, line));
    } else if (inHunk && line !== "") {
      const sign = line[0];
      const isText = sign === " " || sign === "+" || sign === "-";
      made.push(
        h(
          "div",
          {
            class: sign === "+" ? "line plus" : sign === "-" ? "line minus" : "line",
            "data-old": isText && sign !== "+" ? before++ : null,
            "data-new": isText && sign !== "-" ? after++ : null,
          },
          line || " ",
        ),
      );
    }
    if (made.length >= FILE_LINES) {
      made.push(h("p", { class: "quiet" }, `… ${count(lines.length - made.length)} more lines of this file`));
      break;
    }
  }
  return made.length ? made : [h("p", { class: "quiet" }, file.added === null ? "Binary." : "No text differences.")];
}
