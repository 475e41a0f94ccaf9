// @ts-check
// A session's log: its lines as they come, a search in them, following its end, and a download.

import { h } from "../dom.js";
import { save } from "../download.js";
import { bytes } from "../format.js";
import { live } from "../live.js";
import { LogLines } from "./loglines.js";
import { LogSearch } from "./logsearch.js";
import { LogWindow } from "./logwindow.js";

const POLL_MS = 1_000; // while there is no socket, and while a long log is still being counted

export class LogView {
  node;
  #lines;
  #window;
  #search;
  #followButton;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #stopped = false;
  #followed; // the log that the server pushes
  /** @type {(() => void) | null} */
  #leave = null;

  /**
   * `place`: where to begin, as { line, find }: a line, counted from 1, and a text to look for.
   * `noted`: called with another place, so that the address can keep it.
   */
  constructor(taskId, attempt, session, place, noted) {
    const path = `/api/tasks/${encodeURIComponent(taskId)}/attempts/${attempt}/log`;
    this.#lines = new LogLines(path, session, {
      shows: (number) => this.#window.shows(number),
      changed: (number, same) => this.#window.change(number, same),
      gone: (number) => this.#window.takeOff(number),
    });
    this.#window = new LogWindow(this.#lines, {
      follows: (on) => this.#followButton?.setAttribute("aria-pressed", String(on)),
      marked: () => this.#search.highlight(this.#window.node),
      at: (line) => noted({ line }),
    });
    this.#search = new LogSearch(`${path}/search`, session, {
      go: (line) => this.#window.goTo(line),
      here: () => this.#window.current ?? this.#window.topLine() - 1,
      marked: () => this.#window.mark(),
      noted,
    });
    this.#followButton = h(
      "button",
      {
        type: "button",
        class: "small",
        "aria-pressed": "true",
        onclick: () => this.#window.toEnd(),
        title: "Stay at the end while it grows",
      },
      "Follow",
    );
    const name = `${taskId}-attempt-${attempt}-${session}.log`.replaceAll("/", "_");
    const saving = h(
      "button",
      { type: "button", class: "small", onclick: () => this.#download(saving, name) },
      "Download",
    );
    this.node = h(
      "div",
      { class: "logview" },
      h("div", { class: "toolbar" }, this.#search.node, h("span", { class: "gap" }), this.#followButton, saving),
      this.#window.node,
    );
    this.#window.node.onkeydown = (event) => this.#search.key(event);
    this.#followed = {
      task: taskId,
      attempt,
      session,
      have: () => this.#lines.total,
      take: (message) => this.#take(message),
    };
    this.#begin(place);
  }

  stop() {
    this.#stopped = true;
    this.#leave?.();
    clearTimeout(this.#timer);
    this.#window.stop();
    this.#search.stop();
  }

  async #begin({ line, find }) {
    if (line) this.#window.setFollow(false);
    await this.#look();
    if (line) await this.#window.goTo(Math.min(line, this.#lines.total) - 1);
    if (find) this.#search.begin(find, { jump: !line });
  }

  /** Fetch the current length and new lines; repeated while nothing is pushed. */
  async #look() {
    this.#timer = undefined;
    let answer;
    try {
      answer = await this.#lines.ask({ fromEnd: this.#window.follow });
    } catch (error) {
      this.#window.say(error.message);
      if (!this.#stopped) this.#timer = setTimeout(() => this.#look(), 5 * POLL_MS);
      return;
    }
    if (this.#stopped) return;
    this.#lines.take(answer);
    await this.#show();
  }

  /** Lines that the server pushed. */
  #take(message) {
    if (this.#stopped) return;
    this.#lines.append(message);
    this.#show();
  }

  async #show() {
    await this.#window.draw();
    const { total, ended, complete } = this.#lines;
    if (!total && ended && complete) this.#window.say("Nothing was written.");
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped || (ended && complete)) return;
    // Only once the log was counted completely: a pending answer would be older than pushed lines.
    if (complete && !this.#leave) this.#leave = live.followLog(this.#followed);
    this.#timer = setTimeout(() => this.#lookUnlessLive(), complete ? POLL_MS : 0);
  }

  #lookUnlessLive() {
    if (live.isOpen && this.#lines.complete) this.#timer = setTimeout(() => this.#lookUnlessLive(), POLL_MS);
    else this.#look();
  }

  /** Save everything as a file; fetched, because a link cannot carry the token. */
  async #download(button, name) {
    button.disabled = true;
    try {
      const texts = await this.#lines.everything((come) => (button.textContent = bytes(come)));
      save(texts, name);
    } catch (error) {
      this.#window.say(error.message);
    }
    button.disabled = false;
    button.textContent = "Download";
  }
}
