// @ts-check
// Importing tasks: paste a text or choose a file, see what would become what, and request it.

import { get, post } from "../api.js";
import { h } from "../dom.js";
import { count, plural, statusWord } from "../format.js";
import { review } from "./dialogs.js";
import { request } from "./verbs.js";

const TYPING_MS = 350;
const LISTED = 200;
const NAMES = {
  yaml: "task file (YAML, JSON)",
  checklist: "Markdown checklist",
  csv: "table (CSV)",
  github: "GitHub issues",
};

/** Ask for a text, show the report while it changes, and request the import. */
export async function importTasks() {
  const text = h("textarea", {
    name: "text",
    rows: 7,
    "aria-label": "Plan",
    spellcheck: "false",
    placeholder: "Paste a task file, a Markdown checklist, or the plan of another tool",
  });
  const file = h("input", { type: "file", name: "file", "aria-label": "File" });
  const name = h("input", {
    name: "name",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 300,
    placeholder: "tasks.md",
  });
  const format = h("select", { name: "format" }, h("option", { value: "" }, "recognized by content and name"));
  const tag = h("input", { name: "tag", autocomplete: "off", maxlength: 100, placeholder: "master" });
  const tagLabel = h("label", { hidden: true }, "Tag", tag);
  const body = h("div", { class: "import-report", role: "status" });
  let allow = (_) => {};
  let limit = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let turn = 0;

  const given = () => ({
    text: text.value,
    name: name.value.trim(),
    ...(format.value && { format: format.value }),
    ...(tag.value.trim() && { tag: tag.value.trim() }),
  });

  async function look() {
    const mine = ++turn;
    allow(false);
    if (!text.value.trim()) return body.replaceChildren();
    const size = new TextEncoder().encode(text.value).length;
    if (limit && size > limit) return body.replaceChildren(tooLarge(size, limit));
    try {
      const found = await post("/api/import/preview", given());
      if (mine !== turn) return;
      tagLabel.hidden = found.format !== "task-master" && !tag.value;
      body.replaceChildren(...report(found));
      allow(!found.problem_count && found.counts && found.counts.imported + found.counts.updated > 0);
    } catch (error) {
      if (mine === turn) body.replaceChildren(problem(error.message, error.hint));
    }
  }

  function changed() {
    turn += 1;
    allow(false);
    clearTimeout(timer);
    timer = setTimeout(look, TYPING_MS);
  }

  async function choose() {
    const chosen = file.files[0];
    if (!chosen) return;
    allow(false);
    if (limit && chosen.size > limit) return body.replaceChildren(tooLarge(chosen.size, limit));
    try {
      text.value = new TextDecoder("utf-8", { fatal: true }).decode(await chosen.arrayBuffer());
    } catch {
      return body.replaceChildren(problem(`${chosen.name} is not UTF-8 text.`, "Save it as UTF-8."));
    }
    name.value = chosen.name;
    await look();
  }

  for (const field of [text, name, tag]) field.oninput = changed;
  format.onchange = look;
  file.onchange = choose;
  const yes = await review({
    title: "Import tasks",
    content: [
      h(
        "form",
        { class: "edit import", onsubmit: (event) => event.preventDefault() },
        h("label", null, "File", file),
        text,
        h(
          "div",
          { class: "side" },
          h("label", null, "Name or path in the project", name),
          h("label", null, "Format", format),
          tagLabel,
        ),
      ),
      body,
    ],
    yes: "Import",
    kind: "wide",
    begin: (set) => {
      allow = set;
      get("/api/import").then(
        ({ formats, max_bytes: most }) => {
          limit = most;
          format.append(...formats.map((one) => h("option", { value: one }, NAMES[one] ?? one)));
        },
        () => {},
      );
    },
  });
  clearTimeout(timer);
  turn += 1;
  if (yes) await request("Import:", "/api/import", given());
}

const kib = (bytes) => `${count(Math.ceil(bytes / 1024))} KiB`;

const tooLarge = (size, limit) =>
  problem(
    `This text has ${kib(size)}; up to ${kib(limit)} can be imported here.`,
    "Import the file in a terminal: amplifier-swarm import-tasks FILE",
  );

const problem = (text, hint) =>
  h("p", { class: "warning" }, h("span", null, h("strong", null, text), hint && ` ${hint}`));

/** @param {Api.ImportReport} found */
function report(found) {
  if (found.problem_count) {
    return [
      problem(`${plural(found.problem_count, "problem")}: nothing can be imported yet.`),
      listed("problems", found.problems, found.problem_count, lineOf),
    ];
  }
  const { imported, updated, unchanged, skipped } = found.counts ?? {};
  const sums = [
    imported && `${count(imported)} new`,
    updated && `${count(updated)} updated`,
    unchanged && `${count(unchanged)} unchanged`,
    skipped && `${count(skipped)} left as they are`,
  ].filter(Boolean);
  return [
    h(
      "p",
      null,
      h("strong", null, plural(found.task_count, "task")),
      sums.length ? `: ${sums.join(", ")}. ` : ". ",
      h("span", { class: "quiet" }, `Read as ${NAMES[found.format] ?? found.format}.`, linesWord(found.lines)),
    ),
    found.warning_count > 0 &&
      fold(
        plural(found.warning_count, "warning"),
        true,
        listed("warnings", found.warnings, found.warning_count, lineOf),
      ),
    found.reasons.length > 0 &&
      fold(
        `${count(skipped)} left as they are`,
        true,
        listed("reasons", found.reasons, skipped, (one) => [one]),
      ),
    found.task_count > 0 && fold("Tasks", true, listed("tasks", found.tasks, found.task_count, taskOf)),
    found.left_out_count > 0 &&
      fold(
        `${plural(found.left_out_count, "part")} left out`,
        true,
        listed("left-out", found.left_out, found.left_out_count, ({ lines, why, text }) => [
          h("span", { class: "quiet line" }, `line ${lines}`),
          h("span", null, why, text && [": ", h("code", null, text)]),
        ]),
      ),
  ].filter(Boolean);
}

const fold = (title, open, content) => h("details", { open }, h("summary", null, h("strong", null, title)), content);

const lineOf = ({ line, message, advice }) => [
  h("span", { class: "quiet line" }, line ? `line ${count(line)}` : "–"),
  h("span", null, message, advice && h("span", { class: "quiet" }, ` → ${advice}`)),
];

const taskOf = ({ id, name, status, line, phase, needs }) => [
  h("span", { class: "quiet line" }, line ? `line ${count(line)}` : "–"),
  h(
    "span",
    null,
    h("code", { class: "id" }, id),
    ` ${name}`,
    status !== "not_started" && h("span", { class: "quiet" }, ` (${statusWord(status)})`),
    h("span", { class: "quiet" }, [
      phase && ` · ${phase}`,
      needs.length > 0 && ` · after ${needs.slice(0, 5).join(", ")}${needs.length > 5 ? " …" : ""}`,
    ]),
  ),
];

function listed(kind, rows, total, show) {
  const hidden = total - Math.min(rows.length, LISTED);
  return h(
    "ul",
    { class: `report-list ${kind}` },
    rows.slice(0, LISTED).map((row) => h("li", null, show(row))),
    hidden > 0 && h("li", { class: "quiet" }, `and ${count(hidden)} more`),
  );
}

/** How many lines became what, for plans of other tools. */
function linesWord(lines) {
  const words = {
    task: "tasks",
    "part of a task": "parts of tasks",
    phase: "phases",
    "left out": "left out",
    blank: "blank",
  };
  const found = Object.entries(words)
    .filter(([key]) => lines[key])
    .map(([key, word]) => `${count(lines[key])} ${word}`);
  return found.length ? ` Lines: ${found.join(", ")}.` : "";
}
