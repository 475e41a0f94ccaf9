// @ts-check
// Searches to come back to, kept in this browser.

const KEY = "swarm-searches";
const MOST = 30;

/** @returns {string[]} the newest first */
export function all() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

export const has = (search) => all().includes(search);

/** Keep a search, or forget it where it is kept. */
export function toggle(search) {
  const others = all().filter((one) => one !== search);
  localStorage.setItem(KEY, JSON.stringify(has(search) ? others : [search, ...others].slice(0, MOST)));
}
