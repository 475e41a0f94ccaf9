// @ts-check
// The part of a task's address that says what of it is shown.

/** The query with other values; an empty one goes away. */
export function changed(query, change) {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(change)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  return next.toString();
}
