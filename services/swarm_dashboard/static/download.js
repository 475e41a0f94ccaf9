// @ts-check
// Saving a text as a file; it is fetched first, because a link cannot carry the token.

import { get } from "./api.js";
import { h } from "./dom.js";
import { plural } from "./format.js";
import { Notice } from "./requests/notices.js";

/** @param {BlobPart[]} texts @param {string} name */
export function save(texts, name) {
  const url = URL.createObjectURL(new Blob(texts, { type: "text/plain" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Save the report in one of its forms. @param {"html" | "markdown" | "json"} form */
export async function saveReport(form) {
  const notice = new Notice("Report:");
  try {
    const { name, text } = await get("/api/report", { form });
    save([text], name);
    notice.say("done", name);
  } catch (error) {
    notice.say("refused", [error.message, error.hint].filter(Boolean).join(": "));
  }
}

/**
 * Save tasks as a task file: those that match the filters.
 * @param {{ q?: string, status?: string, phase?: string }} filters
 */
export async function exportTasks({ q, status, phase }) {
  const notice = new Notice("Export:");
  try {
    const { tasks, text } = await get("/api/export", { q, status, phase });
    save([text], q || phase ? "tasks-selected.yaml" : status ? `tasks-${status}.yaml` : "tasks.yaml");
    notice.say("done", plural(tasks, "task"));
  } catch (error) {
    notice.say("refused", error.message);
  }
}
