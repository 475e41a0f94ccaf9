// @ts-check
// Desktop notifications: enabled by a click, then shown while another window or tab is in front.

import { count, percent } from "../format.js";

const KEY = "swarm-desktop";

/**
 * The changes between two states that are worth a notification.
 * @param {Api.Status | null} before null: nothing is known yet, so nothing is news
 * @param {Api.Status} after
 * @returns {{ title: string, body: string, path: string }[]}
 */
export function newsOf(before, after) {
  if (!before) return [];
  const news = [];
  if (after.needs.total > before.needs.total) {
    const { total } = after.needs;
    const first = after.needs_you[0];
    const body = first ? [first.id, first.question ?? first.last_error ?? first.name].filter(Boolean).join(": ") : "";
    news.push({ title: total === 1 ? "1 task needs you" : `${count(total)} tasks need you`, body, path: "/inbox" });
  }
  const known = new Set(before.holds.filter(endless).map((hold) => hold.route));
  for (const hold of after.holds.filter(endless)) {
    if (!known.has(hold.route)) news.push({ title: `${hold.route} is on hold`, body: hold.reason, path: "/inbox" });
  }
  const paused = after.flags.find((flag) => flag.name === "paused");
  if (paused && !before.flags.some((flag) => flag.name === "paused"))
    news.push({ title: `Paused by ${paused.actor}`, body: paused.reason ?? "", path: "/" });
  if (open(before) && !open(after)) {
    const { completed, total } = after.tasks;
    const all = completed.count === total.count;
    const body = `${count(completed.count)} of ${count(total.count)} tasks completed (${percent(after.progress)})`;
    news.push({ title: all ? "All done" : "Nothing is left to run", body, path: all ? "/" : "/inbox" });
  }
  return news;
}

const endless = (hold) => !hold.until;

/** Tasks that can proceed without the user; blocked ones wait for others. */
const open = ({ tasks, by_status: statuses }) =>
  tasks.in_progress.count + tasks.not_started.count - (statuses.blocked ?? 0) > 0;

export class Desktop {
  /** @type {Api.Status | null} */
  #status = null;
  #button;

  /** @param {HTMLElement} button hidden where the browser has no notifications */
  constructor(button) {
    this.#button = button;
    button.hidden = !("Notification" in globalThis);
    button.addEventListener("click", () => this.#toggle());
    this.#draw();
  }

  get #on() {
    return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  }

  /** @param {Api.Status} status */
  learn(status) {
    const news = newsOf(this.#status, status);
    this.#status = status;
    if (this.#button.hidden || !this.#on || (document.visibilityState === "visible" && document.hasFocus())) return;
    for (const one of news) this.#show(one);
  }

  #show({ title, body, path }) {
    // The same tag in two tabs is one notification.
    const shown = new Notification(title, {
      body: body.slice(0, 200),
      tag: `swarm ${title}`,
      icon: "/static/icon.svg",
    });
    shown.onclick = () => {
      shown.close();
      globalThis.focus();
      if (location.pathname !== path) location.assign(path);
    };
  }

  async #toggle() {
    if (this.#on) localStorage.removeItem(KEY);
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
    this.#draw();
  }

  #draw() {
    if (this.#button.hidden) return;
    const blocked = Notification.permission === "denied";
    const words = blocked
      ? "Desktop notifications are blocked in this browser's settings"
      : this.#on
        ? "Desktop notifications are on"
        : "Turn on desktop notifications";
    this.#button.setAttribute("aria-pressed", String(this.#on));
    this.#button.setAttribute("aria-label", words);
    this.#button.title = words;
  }
}
