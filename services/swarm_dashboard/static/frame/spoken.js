// @ts-check
// What a screen reader says by itself: news that need the user, and a lost connection, each once and politely.

import { byId } from "../dom.js";
import { newsOf } from "./desktop.js";

const STAYS_MS = 10_000; // then a user who reads through the page does not find it as old news
const MOST_CHARS = 200;
const box = byId("news");

export class Spoken {
  /** @type {Api.Status | null} */
  #status = null;
  #isLost = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Api.Status} status */
  learn(status) {
    const news = newsOf(this.#status, status);
    this.#status = status;
    if (news.length) this.#say(news.map(({ title, body }) => [title, body].filter(Boolean).join(": ")).join(". "));
  }

  /** @param {string} state of the connection */
  connection(state) {
    const isLost = state === "stale";
    if (isLost !== this.#isLost) this.#say(isLost ? "The connection to the dashboard is lost." : "Connected again.");
    this.#isLost = isLost;
  }

  #say(text) {
    box.textContent = text.slice(0, MOST_CHARS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => box.replaceChildren(), STAYS_MS);
  }
}
