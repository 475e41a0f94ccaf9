// @ts-check
// The keyboard: single letters while no field has the focus.

import { h } from "../dom.js";
import { isOpen, showInfo } from "../requests/dialogs.js";
import * as nav from "./nav.js";

const GO_MS = 1_200;
const KEYS = [
  ["j  k", "next, previous row"],
  ["u", "show waiting updates now"],
  ["Enter", "open the row"],
  ["Esc", "close or go back"],
  ["/", "search"],
  ["Ctrl K", "command palette"],
  ["Space", "pause or resume live updates"],
  ["t", "light or dark"],
  ["?", "this help"],
];
let goUntil = 0;

/** @returns {HTMLElement[]} */
const rows = () => [...document.querySelectorAll("main a[data-row]")].map((row) => /** @type {any} */ (row));

/** The place of the row that has the focus; -1 when none has. */
export const focusedRow = () =>
  rows().findIndex((link) => (link.closest("[data-key]") ?? link).contains(document.activeElement));

/** After drawing: if the focused row is gone, focus the row that took its place. */
export function keepFocus(place) {
  if (place < 0 || document.activeElement !== document.body) return;
  const all = rows();
  all[Math.min(place, all.length - 1)]?.focus(/** @type {any} */ ({ preventScroll: true, focusVisible: true }));
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by));
  all[next].focus(/** @type {any} */ ({ focusVisible: true }));
  all[next].scrollIntoView({ block: "nearest" });
}

const list = (keys) =>
  h(
    "dl",
    { class: "keys" },
    keys.map(([key, what]) => [
      h(
        "dt",
        null,
        key.split(/\s+/).map((k) => [h("kbd", null, k), " "]),
      ),
      h("dd", null, what),
    ]),
  );

/** Show all keys; `own` are those of the screen that is open. */
export function help(own) {
  const special = Object.entries(own).map(([key, [what]]) => [key, what]);
  showInfo("Keys", [
    h("div", { class: "columns two" }, list([...KEYS, ...special]), list(nav.letters())),
    h(
      "p",
      { class: "quiet" },
      "Searches take words and qualifiers: status:failed phase:build id:2.6 type:feature priority:high worker:worker-1 since:2h error:“timed out”.",
    ),
  ]);
}

/** `go`: navigates. `up`: leaves a detail for its list. `screenKeys`: those of the open screen. `palette`: opens the commands. `theme`, `pause`: toggles. `update`: shows waiting updates. */
export function listen({ go, up, screenKeys, palette, theme, pause, update }) {
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k" && !isOpen()) {
      event.preventDefault();
      palette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isOpen() || document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const inField = /** @type {HTMLElement} */ (target.closest?.("input, textarea, select"));
    if (event.key === "Escape") {
      if (inField) inField.blur();
      else up();
      return;
    }
    if (inField) return;
    const own = screenKeys();
    const actions = {
      "?": () => help(own),
      t: theme,
      u: update,
      j: () => step(1),
      k: () => step(-1),
      "/": () => /** @type {HTMLInputElement} */ (document.getElementById("search-box")).select(),
      g: () => {
        goUntil = Date.now() + GO_MS;
      },
    };
    const going = Date.now() < goUntil && nav.pathOf(event.key);
    goUntil = 0;
    if (event.key === " " && event.target === document.body) actions[" "] = pause;
    const action = going ? () => go(going) : (actions[event.key] ?? own[event.key]?.[1]);
    if (!action) return;
    event.preventDefault();
    action();
  });
}
