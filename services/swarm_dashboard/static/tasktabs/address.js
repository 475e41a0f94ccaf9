// @ts-check
// The query of a task's address, which selects what is shown.

/** The query with changed values; empty ones are removed. */
export function changed(query, change) {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(change)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  return next.toString();
}
