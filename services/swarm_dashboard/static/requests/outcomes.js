// @ts-check
// Outcomes of requests: pushed over the socket, and polled only while there is none.

import { get } from "../api.js";
import { live } from "../live.js";

const KEPT = 100; // outcomes may come before the answer that names their request
const WITHOUT_SOCKET_MS = 1_000;
const SILENT_MS = 10_000;

/** @type {Map<number, Api.Control>} */
const known = new Map();
const waiting = new Map(); // id → { resolve, progress }

/** @param {Api.Control} row */
function hear(row) {
  const waits = waiting.get(row.id);
  if (row.status === "pending") {
    if (row.progress) waits?.progress(row.progress);
    return;
  }
  known.set(row.id, row);
  if (known.size > KEPT) known.delete([...known.keys()][0]);
  waiting.delete(row.id);
  waits?.resolve(row);
}

live.addEventListener("outcome", (event) => hear(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("open", () => {
  for (const id of waiting.keys()) ask(id);
});

async function ask(id) {
  try {
    hear(await get(`/api/control/${id}`));
  } catch {
    // The next time may do better.
  }
}

/**
 * Wait for the outcome of a request.
 * @param {number} id of its row
 * @param {(text: string) => void} progress called with what has been done so far, for requests about many tasks
 * @returns {Promise<Api.Control>}
 */
export function outcomeOf(id, progress) {
  const early = known.get(id);
  if (early) return Promise.resolve(early);
  const outcome = new Promise((resolve) => waiting.set(id, { resolve, progress }));
  const since = Date.now();
  const timer = setInterval(() => {
    if (!waiting.has(id)) clearInterval(timer);
    else if (!live.isOpen || (Date.now() - since) % SILENT_MS < WITHOUT_SOCKET_MS) ask(id);
  }, WITHOUT_SOCKET_MS);
  return outcome;
}
