// @ts-check
// Merging landed work into one of your branches: what it would bring, then the request, and its undo.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { taskLink } from "../pieces.js";
import { review } from "./dialogs.js";
import { request } from "./verbs.js";

const SHORT = 10;
const CHANGES = { A: "added", C: "copied", D: "deleted", M: "changed", R: "renamed", T: "type changed" };

/** Ask which branch, show what it would get, and request it. */
export async function mergeInto() {
  const choice = h("select", { name: "branch" });
  const body = h("div", { class: "landing-preview", role: "status" }, "Looking at your branches…");
  let allow = (_) => {};
  let shown = /** @type {Api.LandPreview | null} */ (null);
  let asked = new AbortController();

  async function look() {
    allow(false);
    shown = null;
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    body.replaceChildren(h("p", { class: "quiet" }, "Comparing the branches…"));
    try {
      const found = await get("/api/landing/preview", { into: choice.value }, signal);
      if (signal.aborted) return;
      shown = found;
      body.replaceChildren(...preview(found));
      allow(!found.refusal && found.kind !== "contained");
    } catch (error) {
      if (error.name !== "AbortError") body.replaceChildren(...problem(error.message, error.hint));
    }
  }

  async function begin() {
    try {
      const { branches, began_from: from } = await get("/api/landing/branches");
      choice.replaceChildren(...branches.map((name) => h("option", { value: name, selected: name === from }, name)));
      if (branches.length) await look();
      else body.replaceChildren(...problem("The repository has no branch of yours."));
    } catch (error) {
      body.replaceChildren(...problem(error.message, error.hint));
    }
  }

  choice.onchange = look;
  const yes = await review({
    title: "Merge landed work into your branch",
    content: [h("label", { class: "choice" }, "Into", choice), body],
    yes: "Merge",
    kind: "wide",
    begin: (set) => {
      allow = set;
      begin();
    },
  });
  asked.abort();
  if (!yes || !shown) return;
  const { branch, into, tip } = shown;
  await request(`Merge into ${branch}:`, "/api/land", { branch, into, tip }, (row) => undoLanding(row));
}

/** Take a landing back, as its row says what was done. @type {(row: any) => Promise<void>} */
export const undoLanding = ({ target: branch, argument: { into: to, new: from } }) =>
  request(`Undo the merge into ${branch}:`, "/api/land", { branch, undo: true, from, to });

const problem = (text, hint) => [
  h("p", { class: "warning", "data-kind": "paused" }, h("span", null, h("strong", null, text), hint && ` – ${hint}`)),
];

/** @param {Api.LandPreview} found */
function preview(found) {
  const into = h("code", null, found.branch);
  const how = {
    fast_forward: ["Fast-forward: ", into, " has no other commits."],
    merged: ["A merge commit: ", into, " has other commits."],
    contained: [into, " has all landed work already."],
  }[found.kind];
  return [
    found.refusal && problem(found.refusal.message, found.refusal.hint),
    h(
      "p",
      null,
      h("code", { title: found.tip }, `${found.landed} ${found.tip.slice(0, SHORT)}`),
      " → ",
      h("code", { title: found.into }, `${found.branch} ${found.into.slice(0, SHORT)}`),
    ),
    how && h("p", null, how),
    found.checkout &&
      found.kind !== "contained" &&
      !found.refusal &&
      h("p", null, "The files in ", h("code", null, found.checkout), " are updated with it."),
    found.not_included.length > 0 && missing(found),
    found.commit_count > 0 && commits(found),
    found.file_count > 0 && files(found),
  ]
    .flat()
    .filter(Boolean);
}

function commits({ commits: shown, commit_count: total }) {
  return h(
    "details",
    { open: true },
    h("summary", null, h("strong", null, plural(total, "commit")), h("span", { class: "quiet" }, " newest first")),
    h(
      "ol",
      { class: "arriving" },
      shown.map((each) =>
        h(
          "li",
          null,
          h("code", { title: each.commit, class: "quiet" }, each.commit.slice(0, SHORT)),
          h("span", null, titled(each)),
        ),
      ),
    ),
    shown.length < total &&
      h("p", { class: "quiet" }, `and ${plural(total - shown.length, "more commit")} inside these`),
  );
}

/** The title of a commit; in that of a task's landing the id leads to the task. */
function titled({ title, task_id: id }) {
  const begin = `Land ${id}: `;
  if (!id || !title.startsWith(begin)) return title;
  return [taskLink(id, null, { class: "id", target: "_blank" }), " ", title.slice(begin.length)];
}

function files({ files: shown, file_count: total, added, deleted }) {
  return h(
    "details",
    { open: total <= 40 },
    h("summary", null, h("strong", null, plural(total, "file")), " ", signs({ added, deleted })),
    h(
      "ul",
      { class: "arriving" },
      shown.map((file) =>
        h(
          "li",
          null,
          h("span", { class: "quiet" }, CHANGES[file.change] ?? file.change),
          h("code", null, file.old_path ? `${file.old_path} → ${file.path}` : file.path),
          file.added === null ? h("span", { class: "quiet" }, "binary") : signs(file),
        ),
      ),
    ),
    total > shown.length && h("p", { class: "quiet" }, `… and ${plural(total - shown.length, "more file")}`),
  );
}

function missing({ not_included: groups }) {
  return h(
    "div",
    { class: "left-behind" },
    h("strong", null, "Not included"),
    h(
      "ul",
      null,
      groups.map(({ what, count: total, ids }) =>
        h(
          "li",
          null,
          `${count(total)} ${what}: `,
          ids.map((id, place) => [place ? ", " : "", taskLink(id, null, { class: "id", target: "_blank" })]),
          total > ids.length && ` and ${count(total - ids.length)} more`,
        ),
      ),
    ),
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
