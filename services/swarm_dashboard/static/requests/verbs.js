// @ts-check
// Every request that you can make: what the button says, its effect, and its outcome.

import { post } from "../api.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { ask, choose, confirm } from "./dialogs.js";
import { Notice } from "./notices.js";
import { outcomeOf } from "./outcomes.js";

const enc = encodeURIComponent;

/** `does`: one sentence on its effect, from the task as shown. `before`: asks first; gives the body, or null to go back. */
export const TASK_VERBS = {
  retry: {
    label: "Retry",
    does: (task) =>
      task.retry_is_chain
        ? "Queues the failed tasks that this one waits for again, with retries reset."
        : task.status === "completed"
          ? "Runs it again although it is completed. Its landed work stays."
          : "Queues it again with retries reset. History is kept.",
    before: (id, task) =>
      task.status === "completed"
        ? confirm({
            title: `Run ${id} again?`,
            text: `${completed(id, task)} ${waiting(task)}Work that has landed stays on the branch.`,
            yes: "Run it again",
            danger: true,
          }).then((yes) => (yes ? {} : null))
        : Promise.resolve({}),
  },
  kill: {
    label: "Kill",
    kind: "danger",
    does: () => "Ends its agent and everything it started, then holds the task. Its work so far is kept.",
    before: (id) =>
      confirm({
        title: `Kill the agent of ${id}?`,
        text: "All its processes are ended now, and the task is held. No retry is used up. Release or Retry continues it.",
        yes: "Kill",
        danger: true,
      }).then((yes) => (yes ? {} : null)),
  },
  cancel: {
    label: "Cancel",
    kind: "danger",
    does: (task) =>
      task.group === "in_progress"
        ? "Ends its agent and removes the task from the queue. Tasks that need it stay blocked."
        : "Removes the task from the queue. Tasks that need it stay blocked.",
    before: (id) =>
      confirm({
        title: `Cancel ${id}?`,
        text: "It will not run, and tasks that need it stay blocked. Retry undoes this.",
        yes: "Cancel the task",
        danger: true,
      }).then((yes) => (yes ? {} : null)),
  },
  hold: { label: "Hold", does: () => "Keeps it from starting until you release it." },
  release: { label: "Release", does: () => "Puts it back into the queue: ready, or blocked by what it needs." },
  approve: {
    label: "Approve…",
    does: () => "Accepts the work despite the validator. Not possible while a check fails.",
    before: (id, task) =>
      confirm({
        title: `Approve ${id}?`,
        text: `Its work is accepted and lands, although the validator objected${task.last_error ? `: ${task.last_error}` : "."}`,
        yes: "Approve",
      }).then((yes) => (yes ? {} : null)),
  },
  answer: {
    label: "Answer…",
    does: () => "Replies to its question. The next attempt continues with your answer, at no cost to its retries.",
    before: (id, task) =>
      ask({ title: `Answer ${id}`, text: task.question ?? "", yes: "Answer", wanted: true, long: true }).then((text) =>
        text === null ? null : { text, attempt: task.attempt_count },
      ),
  },
  reject: {
    label: "Reject…",
    does: () => "Sends it back with your comments.",
    before: (id, task) =>
      ask({
        title: `Reject ${id}`,
        value: task.draft ?? "",
        yes: "Reject",
        wanted: true,
        long: true,
        text: `What must be fixed?${task.status === "completed" ? ` ${completed(id, task)} ${waiting(task)}Work that has landed stays on the branch.` : ""}`,
      }).then((note) => (note === null ? null : { note })),
  },
  prioritize: {
    label: "Priority…",
    does: () => "Changes its place in the queue: critical, high, medium, low or a number (smaller is sooner).",
    before: (id, task) =>
      ask({
        title: `Priority of ${id}`,
        text: "critical, high, medium, low or a number",
        yes: "Set",
        value: String(task.priority ?? ""),
        wanted: true,
      }).then((priority) => (priority === null ? null : { priority })),
  },
};

const completed = (id, task) => `${id} ${task.has_landed ? "has landed" : "is completed"}.`;
const waiting = ({ depend_on_it: n }) =>
  n ? `${plural(n, "task")} depend${n === 1 ? "s" : ""} on it; those that have not started wait for it again. ` : "";

const outcomes = new EventTarget();
/** Listen for outcomes, so that the screen shows them at once. */
export const onOutcome = (listener) => outcomes.addEventListener("outcome", listener);

/**
 * Send a request and follow it until it has an outcome.
 * @param {string} title @param {string} path @param {object} body
 * @param {((row: Api.Control) => void) | null} undo  takes it back, given its row once it is done
 * @param {(() => void) | null} again  opens the form again with what was typed, if the request is refused
 */
export async function request(title, path, body = {}, undo = null, again = null) {
  const notice = new Notice(title);
  const retry = again && { words: "Edit again…", act: again };
  try {
    const { control_id: id } = await post(path, body);
    notice.say("pending", "requested…");
    const row = await outcomeOf(id, (progress) => notice.say("pending", `${progress} so far…`));
    const done = row.status === "done";
    notice.say(row.status, words(row), done ? undo && { words: "Undo", act: () => undo(row) } : retry);
  } catch (error) {
    notice.say("refused", [error.message, error.hint].filter(Boolean).join(" – "), retry);
  }
  outcomes.dispatchEvent(new Event("outcome"));
}

/** An outcome in words. @param {Api.Control} row */
function words(row) {
  if (row.status === "done") return row.verb === "bulk" ? (row.result ?? "").replace(/^\w+: /, "") : row.result;
  return row.status === "refused" ? `Refused: ${row.result}` : `Not carried out: ${row.hint}`;
}

/** `more`: further fields of the request, besides those from its dialog. Returns whether it was sent. */
export async function doTask(verb, task, more = {}) {
  const { label, before } = TASK_VERBS[verb];
  const asked = before ? await before(task.id, task) : {};
  if (asked === null) return false;
  const chain = verb === "retry" && task.retry_is_chain ? { chain: true } : {};
  const body = { ...asked, ...more, ...chain };
  await request(
    `${label.replace("…", "")} ${task.id}:`,
    `/api/tasks/${enc(task.id)}/${verb}`,
    body,
    undoOf(verb, task),
  );
  return true;
}

/** What takes a request about a task back; null where nothing does exactly that. */
function undoOf(verb, task) {
  const send = (title, back, body = {}) => request(`${title} ${task.id}:`, `/api/tasks/${enc(task.id)}/${back}`, body);
  if (verb === "hold") return () => send("Release", "release");
  if (verb === "cancel" && task.group !== "in_progress") return () => send("Retry", "retry");
  if (verb === "prioritize") return () => send("Priority", "prioritize", { priority: task.priority });
  return null;
}

/** Retry with a note for the next attempt. */
export async function retryWithNote(task) {
  const note = await ask({
    title: `Retry ${task.id}`,
    text: "Note for the next attempt. It comes first in its prompt.",
    yes: "Retry",
    long: true,
  });
  if (note !== null) await doTask("retry", task, note ? { note } : {});
}

/** Retry every task that one problem has stopped: the number comes first, and a note goes to all of them. */
export async function retryGroup({ fingerprint, tasks, sample }, cause) {
  const note = await ask({
    title: `Retry ${plural(tasks, "task")}?`,
    text: `${cause}: ${sample} – They'll run again with their retries reset. Note for the next attempt (optional):`,
    yes: `Retry ${plural(tasks, "task")}`,
    long: true,
  });
  if (note === null) return;
  await request(`Retry ${plural(tasks, "task")}:`, "/api/tasks/bulk", {
    verb: "retry",
    matching: { q: `problem:${fingerprint}` },
    ...(note && { note }),
  });
}

/** Retry tasks that no attempt has stopped, such as those that were imported as failed. */
export async function retryThese(ids) {
  const sure = await confirm({
    title: `Retry ${plural(ids.length, "task")}?`,
    text: "They'll run like tasks that have never been tried.",
    yes: `Retry ${plural(ids.length, "task")}`,
  });
  if (sure) await request(`Retry ${plural(ids.length, "task")}:`, "/api/tasks/bulk", { verb: "retry", ids });
}

/** Release many tasks that are held for one reason. */
export const releaseAll = (ids) =>
  request(`Release ${plural(ids.length, "task")}:`, "/api/tasks/bulk", { verb: "release", ids });

/** Release a task whose old processes cannot be seen from here: you confirm that they are gone. */
export async function releaseAsGone(task) {
  const sure = await confirm({
    title: `Confirm that nothing of ${task.id} is running`,
    text: "The processes of its last attempt may still be running. If one is, two agents will work on this task at once.",
    yes: "Nothing is running: release",
    danger: true,
  });
  if (sure) await doTask("release", task, { gone: true });
}

/** A small button in a row; `kind` is how it looks. */
export function taskButton(verb, task, kind = "") {
  const { label, does, kind: own = "" } = TASK_VERBS[verb];
  return h(
    "button",
    {
      type: "button",
      class: `small ${kind || own}`,
      title: does(task),
      "aria-label": `${label.replace("…", "")} ${task.id}`,
      "data-verb": verb,
      onclick: () => doTask(verb, task),
    },
    label,
  );
}

export const pause = () => request("Pause:", "/api/pause", {}, resume);
export const resume = () => request("Resume:", "/api/resume");
/** Fewer workers: asks first, naming those that leave. `workers`: those that the swarm shows. */
export async function scale(wanted, workers) {
  const left = workers.filter((worker) => worker.alive && numberOf(worker) > wanted);
  if (left.length) {
    const leaving = left.map(
      (worker) => `${worker.worker_id} leaves ${worker.current_task_id ? `after ${worker.current_task_id}` : "now"}`,
    );
    const yes = await confirm({
      title: wanted ? `Scale down to ${plural(wanted, "worker")}?` : "Stop all workers?",
      text: `${list(leaving)}. ${wanted ? "" : "No task starts without workers. "}You can scale up again at any time: workers that have not left yet stay.`,
      yes: wanted ? `Scale down to ${wanted}` : "Stop all workers",
    });
    if (!yes) return;
  }
  const before = workers.filter((worker) => worker.alive).length;
  const back = () => request(`Scale to ${plural(before, "worker")}:`, "/api/scale", { workers: before });
  await request(`Scale to ${plural(wanted, "worker")}:`, "/api/scale", { workers: wanted }, back);
}

const numberOf = (worker) => Number(worker.worker_id.match(/^worker-(\d+)$/)?.[1] ?? 0);
const list = (words) =>
  words.length > 4 ? `${words.slice(0, 4).join(", ")} and ${words.length - 4} more` : words.join(", ");

export async function drainWorker({ worker_id: id, current_task_id: task }) {
  const text = `${task ? `It finishes ${task}, however long that takes, then leaves` : "It leaves"} and takes no more tasks. Resume brings it back.`;
  if (await confirm({ title: `Drain ${id}?`, text, yes: "Drain" }))
    await request(`Drain ${id}:`, `/api/workers/${enc(id)}/drain`, {}, resume);
}

export async function restartWorker({ worker_id: id, current_task_id: task }) {
  const how = await choose(
    task
      ? {
          title: `Restart ${id}?`,
          text: `It works on ${task}. It can finish that first; or its session is interrupted and the task goes back to the queue, at no cost to its retries.`,
          choices: [
            ["now", "Interrupt and restart", "danger"],
            ["later", "Restart after this task", "primary"],
          ],
        }
      : {
          title: `Restart ${id}?`,
          text: "It is idle, so no work is lost.",
          choices: [["later", "Restart", "primary"]],
        },
  );
  if (how) await request(`Restart ${id}:`, `/api/workers/${enc(id)}/restart`, how === "now" ? { now: true } : {});
}

export async function drain(running) {
  const text = running
    ? `${plural(running, "running task")} will finish within the graceful timeout; no new ones start. Then the workers leave. Resume undoes it.`
    : "No new tasks start, and the workers leave. Resume undoes it.";
  if (await confirm({ title: "Shut down gracefully?", text, yes: "Shut down" })) {
    await request("Graceful shutdown:", "/api/graceful-shutdown");
  }
}

export async function emergencyStop(running) {
  const text = running
    ? `${plural(running, "running session")} will be stopped immediately. The tasks go back to the queue, at no cost to their retries.`
    : "Nothing is running. No task starts until you resume.";
  if (await confirm({ title: "Stop everything now?", text, yes: "Emergency stop", danger: true })) {
    await request("Emergency stop:", "/api/emergency-stop");
  }
}
