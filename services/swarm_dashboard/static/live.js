// @ts-check
// The live line: a WebSocket while it works, polling while it does not. It brings the state, outcomes and log lines.

import { get, post } from "./api.js";

const SILENT_MS = 40_000; // the server says something every 15 s
const RETRY_MS = [250, 1_000, 2_000, 5_000];
const POLL_MS = 2_000;
const STALE_MS = 3_000;

class Live extends EventTarget {
  /** @type {WebSocket | null} */
  #socket = null;
  #seq = -1;
  #failures = 0;
  #heardAt = Date.now();
  #lastStatus = 0;
  #stopped = false;
  #logs = new Map(); // session → the log that is open

  start() {
    this.#stopped = false;
    this.#connect();
    setInterval(() => this.#check(), 1_000);
    addEventListener("pagehide", () => this.#socket?.close());
    addEventListener("pageshow", (event) => event.persisted && this.#connect());
  }

  /** No token any more: asking on would only use up the tries. */
  stop() {
    this.#stopped = true;
    this.#socket?.close();
  }

  get staleSince() {
    return this.isOpen || Date.now() - this.#lastStatus < STALE_MS ? null : this.#heardAt;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async #connect() {
    if (this.#stopped) return;
    try {
      const { ticket } = await post("/api/ticket");
      const query = new URLSearchParams({ ticket });
      if (this.#seq >= 0) query.set("since", String(this.#seq));
      const socket = new WebSocket(`ws://${location.host}/ws?${query}`);
      this.#socket = socket;
      socket.onopen = () => {
        this.#sayLogs();
        this.dispatchEvent(new Event("open"));
      };
      socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
      socket.onclose = () => this.#socket === socket && this.#again();
    } catch (error) {
      if (error.status === 401) return this.#refused(error);
      this.#again();
    }
  }

  #hear(message) {
    this.#failures = 0;
    this.#heardAt = Date.now();
    if (message.type === "tick") return;
    if (message.type === "lines") return this.#logs.get(message.session)?.take(message);
    if (message.type === "outcome") return this.dispatchEvent(new CustomEvent("outcome", { detail: message.data }));
    this.#seq = Math.max(this.#seq, message.seq);
    const status = message.type === "status" ? message.data : message.status;
    this.#lastStatus = Date.now();
    this.dispatchEvent(new CustomEvent("news", { detail: { status, type: message.type } }));
  }

  /**
   * Get the lines of a log as they are written.
   * @param {{ task: string, attempt: number, session: number, have: () => number, take: (message: object) => void }} log
   * @returns {() => void} ends it
   */
  followLog(log) {
    this.#logs.set(log.session, log);
    this.#sayLogs();
    return () => {
      if (this.#logs.get(log.session) !== log) return;
      this.#logs.delete(log.session);
      this.#sayLogs();
    };
  }

  #sayLogs() {
    if (!this.isOpen) return;
    const logs = [...this.#logs.values()].map(({ task, attempt, session, have }) => ({
      task,
      attempt,
      session,
      have: have(),
    }));
    this.#socket?.send(JSON.stringify({ logs }));
  }

  #again() {
    this.#socket = null;
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    this.#failures += 1;
    setTimeout(() => this.#connect(), wait);
    this.dispatchEvent(new Event("state"));
  }

  #check() {
    if (this.isOpen && Date.now() - this.#heardAt > SILENT_MS) this.#socket?.close();
    if (!this.isOpen && !this.#stopped && Date.now() - this.#lastStatus > POLL_MS) this.#poll();
    this.dispatchEvent(new Event("state"));
  }

  async #poll() {
    try {
      const status = await get("/api/status");
      this.#heardAt = this.#lastStatus = Date.now();
      this.dispatchEvent(new CustomEvent("news", { detail: { status, type: "poll" } }));
    } catch (error) {
      if (error.status === 401) this.#refused(error);
    }
  }

  #refused(error) {
    this.stop();
    this.dispatchEvent(new CustomEvent("refused", { detail: error }));
  }
}

export const live = new Live();
