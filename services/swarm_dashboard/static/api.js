// @ts-check
// Requests to the server, with the token in a header; errors carry a message and a hint.

const TOKEN = "swarm-token";
const FRAGMENT = /^#t=([\w~.-]+)$/;

/** Move the token from the address, where it must not stay, to this origin's storage. */
export function keepToken() {
  const found = FRAGMENT.exec(location.hash);
  if (!found) return;
  localStorage.setItem(TOKEN, found[1]);
  history.replaceState(history.state, "", location.pathname + location.search);
}

export const hasToken = () => localStorage.getItem(TOKEN) !== null;
export const useToken = (text) => localStorage.setItem(TOKEN, text.trim().replace(/^.*#t=/, ""));

export class Refused extends Error {
  constructor(status, code, message, hint) {
    super(message);
    Object.assign(this, { status, code, hint });
  }
}

async function call(path, options) {
  const headers = { Authorization: `Bearer ${localStorage.getItem(TOKEN) ?? ""}`, ...options.headers };
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "unreachable", "The dashboard is not answering.", "This page loads by itself once it does.");
  }
  let body;
  try {
    body = await response.json();
  } catch {
    throw new Refused(response.status, "unreadable", `The server answered ${response.status} without a message.`);
  }
  if (!response.ok)
    throw new Refused(
      response.status,
      body.error?.code,
      body.error?.message ?? "The dashboard could not answer.",
      body.error?.hint,
    );
  return body;
}

export function get(path, parameters = {}, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return call(text ? `${path}?${text}` : path, { signal });
}

const freshKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("-");

/** Send a request; if a bad connection sends it twice, it still takes effect once. */
export function post(path, body = {}) {
  return call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ idempotency_key: freshKey(), ...body }),
  });
}
