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

/** Save tasks as a task file; `status`: only those of a group or status. */
export async function exportTasks(status = "") {
  const notice = new Notice("Export:");
  try {
    const { tasks, text } = await get("/api/export", { status });
    save([text], status ? `tasks-${status}.yaml` : "tasks.yaml");
    notice.say("done", plural(tasks, "task"));
  } catch (error) {
    notice.say("refused", error.message);
  }
}
