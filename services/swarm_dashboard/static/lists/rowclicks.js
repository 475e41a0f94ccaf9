// @ts-check
// A click anywhere on a row opens its link; controls and text selection keep working.

const OWN = "a, button, input, select, textarea, label, summary, details, pre, code";

/** The link of the row that a click means; null where it means something else. @returns {HTMLAnchorElement | null} */
export function rowLink(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.button !== 0 || event.defaultPrevented || target.closest(OWN)) return null;
  if (String(globalThis.getSelection?.() ?? "")) return null;
  return target.closest("main tr, main .asks > li, main .short > li")?.querySelector("a[data-row]") ?? null;
}
