// @ts-check
// A change, file by file: unified or side by side, with syntax colours; a comment on a line becomes part of a note.

import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { copyButton } from "../pieces.js";
import { ask } from "../requests/dialogs.js";
import { comment, commentsOn } from "./comments.js";
import { paired, parse } from "./diffparse.js";
import { coloured, languageOf, loadSyntax } from "./syntax.js";

const OPEN_LINES = 400; // so many are unfolded from the beginning
const FILE_LINES = 1_500;
const HEAD = /^diff --git /m;
const CHANGES = { A: "added", C: "copied", D: "deleted", M: "changed", R: "renamed", T: "type changed" };

/**
 * The whole view of a change.
 * @param {Api.Change} change
 * @param {{ task: string, split: boolean, commented: () => void }} how `commented`: called when comments have changed
 */
export function diffView(change, how) {
  const node = build(change, how);
  // Drawn again with colours once the library is there.
  const wantsColours = change.files.some((file) => languageOf(file.path));
  if (wantsColours)
    loadSyntax().then(
      () => node.isConnected && node.replaceChildren(...build(change, how).childNodes),
      () => {},
    );
  return node;
}

function build(change, how) {
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
      " ",
      copyButton(`git diff ${change.base_sha} ${change.head_sha}`),
    ),
    change.truncated &&
      h(
        "p",
        { class: "warning" },
        "This diff is truncated. To see all of it: ",
        h("code", { class: "command" }, `git diff ${change.base_sha} ${change.head_sha}`),
      ),
    change.files.map((file, place) => {
      // Git lists files in the same order in the table and in the patch.
      const lines = patches[place]?.split("\n") ?? null;
      const open = lines !== null && shown + lines.length <= OPEN_LINES;
      if (open) shown += lines.length;
      return fileView(file, lines, open, how);
    }),
    change.file_count > change.files.length &&
      h("p", { class: "quiet" }, `… and ${plural(change.file_count - change.files.length, "more file")}`),
  );
}

function fileView(file, lines, open, how) {
  const body = h("div", { class: "hunks" });
  const fill = () => body.childNodes.length || body.append(...rows(file, lines, how));
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

function rows(file, lines, how) {
  if (!lines) return [h("p", { class: "quiet" }, "Its content is not stored.")];
  const { rows: found, left } = parse(lines, FILE_LINES);
  if (!found.length) return [h("p", { class: "quiet" }, file.added === null ? "Binary." : "No text differences.")];
  const language = languageOf(file.path);
  const line = (row) => lineView(row, file.path, language, how);
  const made = how.split
    ? paired(found).map(([old, now]) =>
        old === now ? line(old) : h("div", { class: "two" }, old ? line(old) : h("div"), now ? line(now) : h("div")),
      )
    : found.map(line);
  if (left) made.push(h("p", { class: "quiet" }, `… ${plural(left, "more line")} of this file`));
  return made;
}

function lineView(row, path, language, how) {
  if (row.kind === "hunk") return h("div", { class: "hunk" }, row.text);
  if (row.kind === "note") return h("div", { class: "line" }, row.text);
  const side = row.kind === "minus" ? "old" : "new";
  const place = { path, side, line: row.kind === "minus" ? row.old : row.new };
  const sign = { plus: "+", minus: "-", same: " " }[row.kind];
  const node = h(
    "div",
    {
      class: row.kind === "same" ? "line" : `line ${row.kind}`,
      "data-old": row.old ?? null,
      "data-new": row.new ?? null,
    },
    h("span", { class: "sign" }, sign),
    coloured(row.text, language),
    h("button", {
      type: "button",
      class: "plain say",
      "aria-label": `Comment on ${path} line ${place.line}`,
      title: "Comment",
      onclick: () => write(place, node, how),
    }),
  );
  mark(node, how.task, place);
  return node;
}

const commentOf = (task, place) =>
  commentsOn(task).find((one) => one.path === place.path && one.line === place.line && one.side === place.side)?.text ??
  "";

async function write(place, node, { task, commented }) {
  const text = await ask({
    title: `Comment on ${place.path}:${place.line}`,
    text: "Becomes part of the note that Reject or Retry sends. Empty removes it.",
    yes: "Comment",
    value: commentOf(task, place),
    long: true,
  });
  if (text === null) return;
  comment(task, { ...place, text });
  mark(node, task, place);
  commented();
}

/** Show the comment of a line below it. */
function mark(node, task, place) {
  node.querySelector(".comment")?.remove();
  const text = commentOf(task, place);
  if (text) node.append(h("p", { class: "comment" }, text));
}
