// @ts-check
// Comments on lines of a diff: kept until they are sent as the note of Reject or Retry.

const KEY = "swarm-comments";

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/**
 * The comments on a task, in the order in which they were made.
 * @returns {{ path: string, line: number, side: string, text: string }[]}
 */
export const commentsOn = (task) => stored()[task] ?? [];

const same = (one, other) => one.path === other.path && one.line === other.line && one.side === other.side;

/** Set the comment of a line; an empty text removes it. */
export function comment(task, { path, line, side, text }) {
  const all = stored();
  const others = commentsOn(task).filter((one) => !same(one, { path, line, side }));
  all[task] = text ? [...others, { path, line, side, text }] : others;
  if (!all[task].length) delete all[task];
  sessionStorage.setItem(KEY, JSON.stringify(all));
}

export function clearComments(task) {
  const all = stored();
  delete all[task];
  sessionStorage.setItem(KEY, JSON.stringify(all));
}

/** All comments on a task as a note: one line each, with its place. */
export const noteOf = (task) =>
  commentsOn(task)
    .map(({ path, line, side, text }) => `${path}:${line}${side === "old" ? " (removed line)" : ""}: ${text}`)
    .join("\n");
