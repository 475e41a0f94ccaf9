// Everything a person can ask for: what the button says, what it will do, and what became of it.

import { get, post } from "./api.js";
import { ask, choose, confirm } from "./dialogs.js";
import { h } from "./dom.js";
import { Notice } from "./notices.js";
import { plural } from "./format.js";

const LOOK_MS = 300;
const enc = encodeURIComponent;

/** `does`: one sentence for people, from the task as shown. `before`: asks first; gives the body, or null to leave it. */
export const TASK_VERBS = {
  retry: {
    label: "Retry",
    kind: "primary",
    does: (task) => task.retry_is_chain
      ? "Makes the failed tasks that this one waits for ready again."
      : "Makes it ready at once with fresh budgets; its history stays.",
  },
  kill: {
    label: "Kill",
    kind: "danger",
    does: () => "Ends its agent and everything it started, then holds the task. What it wrote stays.",
    before: (id) => confirm({
      title: `Kill the agent of ${id}?`, text: "Its process tree is ended now, and the task is held. No retry is used up.",
      yes: "Kill", danger: true }).then((yes) => (yes ? {} : null)),
  },
  cancel: {
    label: "Cancel",
    kind: "danger",
    does: (task) => task.group === "in_progress"
      ? "Ends its agent and takes the task out. Tasks that need it stay blocked."
      : "Takes the task out. Tasks that need it stay blocked.",
    before: (id) => confirm({
      title: `Cancel ${id}?`, text: "It will not be done, and tasks that need it stay blocked. Retry brings it back.",
      yes: "Cancel the task", danger: true }).then((yes) => (yes ? {} : null)),
  },
  hold: { label: "Hold", does: () => "Keeps it from starting until somebody releases it." },
  release: { label: "Release", does: () => "Gives it back to the queue: ready, or blocked by what it needs." },
  approve: {
    label: "Approve",
    kind: "primary",
    does: () => "Takes the result in spite of the validator's objection; never past a red check.",
  },
  reject: {
    label: "Reject…",
    does: () => "Tries again with your words as what must be fixed.",
    before: (id) => ask({ title: `Reject ${id}`, text: "What must be fixed?", yes: "Reject", wanted: true, long: true })
      .then((note) => (note === null ? null : { note })),
  },
  prioritize: {
    label: "Priority…",
    does: () => "Changes its place in the queue: critical, high, medium, low or a number (smaller is sooner).",
    before: (id, task) => ask({ title: `Priority of ${id}`, text: "critical, high, medium, low or a number", yes: "Set",
      value: String(task.priority ?? ""), wanted: true }).then((priority) => (priority === null ? null : { priority })),
  },
};

const outcomes = new EventTarget();
/** Called when a request was carried out or refused, so that the screen shows it at once. */
export const onOutcome = (listener) => outcomes.addEventListener("outcome", listener);

/** Send a request and follow its control row until somebody has answered it. */
export async function request(title, path, body) {
  const notice = new Notice(title);
  try {
    const { control_id: id } = await post(path, body);
    notice.say("pending", "asked…");
    for (;;) {
      const row = await get(`/api/control/${id}`);
      if (row.status !== "pending") {
        notice.say(row.status, row.status === "done" ? row.result : `${row.status}: ${row.result ?? row.hint}`);
        break;
      }
      if (row.progress) notice.say("pending", `${row.progress} so far…`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } catch (error) {
    notice.say("refused", [error.message, error.hint].filter(Boolean).join(" – "));
  }
  outcomes.dispatchEvent(new Event("outcome"));
}

export async function doTask(verb, task, body) {
  const { label, before } = TASK_VERBS[verb];
  const asked = body ?? (before ? await before(task.id, task) : {});
  if (asked === null) return;
  const chain = verb === "retry" && task.retry_is_chain ? { chain: true } : {};
  await request(`${label.replace("…", "")} ${task.id}:`, `/api/tasks/${enc(task.id)}/${verb}`, { ...asked, ...chain });
}

/** Retry with a person's words for the next attempt. */
export async function retryWithNote(task) {
  const note = await ask({ title: `Retry ${task.id}`, text: "What should the next attempt know? It is told this first.", yes: "Retry", long: true });
  if (note !== null) await doTask("retry", task, note ? { note } : {});
}

/** Retry every task that one problem has stopped: how many is said first, and a note goes to all of them. */
export async function retryGroup({ fingerprint, tasks, sample }, cause) {
  const note = await ask({
    title: `Retry ${plural(tasks, "task")}?`,
    text: `${cause}: ${sample} – They become ready at once, with fresh budgets. What should their next attempts know? (May be left empty.)`,
    yes: `Retry ${plural(tasks, "task")}`, long: true });
  if (note === null) return;
  await request(`Retry ${plural(tasks, "task")}:`, "/api/tasks/bulk",
    { verb: "retry", matching: { q: `problem:${fingerprint}` }, ...(note && { note }) });
}

/** Let a task go on whose old processes nobody can see from here: the person's word is the proof. */
export async function releaseAsGone(task) {
  const sure = await confirm({
    title: `Is nothing of ${task.id} running any more?`,
    text: "Nobody can prove from here that the processes of its last attempt are gone. If one still runs, two agents will work on this task at once.",
    yes: "They are gone: release", danger: true });
  if (sure) await doTask("release", task, { gone: true });
}

/** A small button in a row; `kind` is how it looks. */
export function taskButton(verb, task, kind = "") {
  const { label, does } = TASK_VERBS[verb];
  return h("button", {
    type: "button", class: `small ${kind}`, title: does(task), "aria-label": `${label.replace("…", "")} ${task.id}`,
    "data-verb": verb, onclick: () => doTask(verb, task) }, label);
}

export const pause = () => request("Pause:", "/api/pause");
export const resume = () => request("Resume:", "/api/resume");
/** Fewer workers: asks first, naming those that leave. `workers`: those that the swarm shows. */
export async function scale(wanted, workers) {
  const left = workers.filter((worker) => worker.alive && numberOf(worker) > wanted);
  if (left.length) {
    const leaving = left.map((worker) => `${worker.worker_id} leaves ${worker.current_task_id ? `after ${worker.current_task_id}` : "now"}`);
    const yes = await confirm({
      title: wanted ? `Scale down to ${plural(wanted, "worker")}?` : "Stop all workers?",
      text: `${list(leaving)}. ${wanted ? "" : "No task starts without workers. "}Scale up again at any time: workers that have not left yet stay.`,
      yes: wanted ? `Scale down to ${wanted}` : "Stop all workers" });
    if (!yes) return;
  }
  await request(`Scale to ${plural(wanted, "worker")}:`, "/api/scale", { workers: wanted });
}

const numberOf = (worker) => Number(worker.worker_id.match(/^worker-(\d+)$/)?.[1] ?? 0);
const list = (words) => words.length > 4 ? `${words.slice(0, 4).join(", ")} and ${words.length - 4} more` : words.join(", ");

export async function drainWorker({ worker_id: id, current_task_id: task }) {
  const text = `${task ? `It finishes ${task}, however long that takes, then leaves` : "It leaves"} and takes no more tasks. Resume brings it back.`;
  if (await confirm({ title: `Drain ${id}?`, text, yes: "Drain" })) await request(`Drain ${id}:`, `/api/workers/${enc(id)}/drain`);
}

export async function restartWorker({ worker_id: id, current_task_id: task }) {
  const how = await choose(task
    ? { title: `Restart ${id}?`, text: `It works on ${task}. It can finish that first; or its session is interrupted and the task goes back to the queue, at no cost to its retries.`,
      choices: [["now", "Interrupt and restart", "danger"], ["later", "Restart after this task", "primary"]] }
    : { title: `Restart ${id}?`, text: "It is idle, so no work is lost.", choices: [["later", "Restart", "primary"]] });
  if (how) await request(`Restart ${id}:`, `/api/workers/${enc(id)}/restart`, how === "now" ? { now: true } : {});
}

export async function drain(running) {
  const text = running
    ? `${plural(running, "running task")} may finish; no new one is started. Then the workers leave.`
    : "No new task is started, and the workers leave.";
  if (await confirm({ title: "Shut down gracefully?", text, yes: "Shut down" })) {
    await request("Graceful shutdown:", "/api/graceful-shutdown");
  }
}

export async function emergencyStop(running) {
  const text = running
    ? `${plural(running, "running session")} will be ended now, in the middle of what they do. The tasks go back to the queue.`
    : "Nothing runs at the moment. No task is started until somebody resumes.";
  if (await confirm({ title: "Stop everything now?", text, yes: "Emergency stop", danger: true })) {
    await request("Emergency stop:", "/api/emergency-stop");
  }
}
