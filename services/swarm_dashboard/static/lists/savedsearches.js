// @ts-check
// Saved searches, stored in this browser.

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

/** Save a search, or remove it if it is saved. */
export function toggle(search) {
  const others = all().filter((one) => one !== search);
  localStorage.setItem(KEY, JSON.stringify(has(search) ? others : [search, ...others].slice(0, MOST)));
}
