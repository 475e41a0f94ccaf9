// @ts-check
// The command palette: screens, requests and tasks, found by typing a part of their name.

import { get } from "../api.js";
import { h } from "../dom.js";
import { statusWord } from "../format.js";
import { taskPath } from "../pieces.js";
import { importTasks } from "../requests/importform.js";
import { mergeInto } from "../requests/landinto.js";
import { addTask, editTask } from "../requests/taskform.js";
import * as verbs from "../requests/verbs.js";
import * as nav from "./nav.js";

const TYPING_MS = 120;
const MOST_TASKS = 8;
const box = /** @type {HTMLDialogElement} */ (globalThis.document?.getElementById("palette"));

/**
 * Entries whose words all occur, those first that begin with what was typed.
 * @template {{ words: string }} T
 * @param {T[]} entries
 * @param {string} typed
 */
export function matching(entries, typed) {
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter(({ words }) => parts.every((part) => words.toLowerCase().includes(part)));
  const begins = ({ words }) => Number(words.toLowerCase().startsWith(typed.trim().toLowerCase()));
  return found.sort((one, other) => begins(other) - begins(one));
}

export class Palette {
  #page;
  #field = h("input", {
    type: "text",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    "aria-label": "Command, screen or task",
    placeholder: "Go to a screen or a task, or do something",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
  });
  #list = h("ul", { id: "palette-list", role: "listbox", "aria-label": "Found" });
  #entries = [];
  #at = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AbortController | null} */
  #asked = null;

  /** `page`: `go(address)`, `theme()`, `help()`, and what is open: `task()` and `status()`. */
  constructor(page) {
    this.#page = page;
    box.append(this.#field, this.#list);
    this.#field.oninput = () => this.#typed();
    this.#field.onkeydown = (event) => this.#key(event);
    box.onclose = () => this.#asked?.abort();
    box.onclick = (event) => event.target === box && box.close();
  }

  open() {
    if (box.open) return box.close();
    this.#field.value = "";
    this.#show(this.#commands());
    box.showModal();
    this.#field.focus();
  }

  #commands() {
    const { go, theme, help, task, status } = this.#page;
    const open = task();
    const running = status()?.running.length ?? 0;
    return [
      ...(open?.verbs ?? []).map((verb) => ({
        words: `${verbs.TASK_VERBS[verb].label.replace("…", "")} ${open.id}`,
        kind: "this task",
        run: () => verbs.doTask(verb, open),
      })),
      ...nav.screens().map(({ path, words }) => ({ words, kind: "screen", run: () => go(path) })),
      status()?.paused
        ? { words: "Resume", kind: "swarm", run: verbs.resume }
        : { words: "Pause", kind: "swarm", run: verbs.pause },
      { words: "Merge landed work into your branch…", kind: "landing", run: mergeInto },
      { words: "Add a task…", kind: "task", run: () => addTask() },
      { words: "Import tasks…", kind: "task", run: importTasks },
      ...(open && !["in_progress", "completed"].includes(open.group)
        ? [{ words: `Edit ${open.id}…`, kind: "this task", run: () => editTask(open.id) }]
        : []),
      { words: "Live logs side by side", kind: "screen", run: () => go("/logs") },
      { words: "Report on the results", kind: "screen", run: () => go("/report") },
      { words: "Graceful shutdown", kind: "swarm", run: () => verbs.drain(running) },
      { words: "Emergency stop", kind: "swarm", run: () => verbs.emergencyStop(running) },
      { words: "Light or dark", kind: "page", run: theme },
      { words: "Keyboard help", kind: "page", run: help },
    ];
  }

  #typed() {
    const typed = this.#field.value;
    this.#show(matching(this.#commands(), typed));
    clearTimeout(this.#timer);
    this.#asked?.abort();
    if (!typed.trim()) return;
    this.#timer = setTimeout(() => this.#tasks(typed), TYPING_MS);
  }

  async #tasks(typed) {
    const asked = new AbortController();
    this.#asked = asked;
    try {
      const { tasks } = await get("/api/tasks", { q: typed, limit: MOST_TASKS }, asked.signal);
      const found = tasks.map((task) => ({
        words: `${task.id} ${task.name}`,
        kind: statusWord(task.status),
        run: () => this.#page.go(taskPath(task.id)),
      }));
      this.#show([...matching(this.#commands(), typed), ...found]);
    } catch {
      // An invalid search finds no tasks.
    }
  }

  #show(entries) {
    this.#entries = entries;
    this.#at = 0;
    this.#list.replaceChildren(
      ...entries.map((entry, place) =>
        h(
          "li",
          { role: "option", id: `palette-${place}`, onclick: () => this.#run(place) },
          h("span", null, entry.words),
          h("span", { class: "quiet" }, entry.kind),
        ),
      ),
    );
    if (!entries.length)
      this.#list.append(h("li", { role: "option", "aria-disabled": "true", class: "quiet" }, "Nothing found"));
    this.#mark();
  }

  #mark() {
    [...this.#list.children].forEach((node, place) => {
      node.setAttribute("aria-selected", String(place === this.#at));
    });
    this.#field.setAttribute("aria-activedescendant", `palette-${this.#at}`);
    this.#list.children[this.#at]?.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      const n = this.#entries.length;
      if (n) this.#at = (this.#at + by + n) % n;
      this.#mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#run(this.#at);
    }
  }

  #run(place) {
    const entry = this.#entries[place];
    if (!entry) return;
    box.close();
    entry.run();
  }
}
