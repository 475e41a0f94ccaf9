// The keyboard: single letters while no field has the focus.

import { help, isOpen } from "./dialogs.js";

const GO_MS = 1_200;
const PLACES = { n: "/", t: "/tasks", w: "/workers", a: "/audit" };
let goUntil = 0;

const rows = () => [...document.querySelectorAll("main a[data-row]")];

function step(by) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(document.activeElement);
  const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by));
  all[next].focus({ focusVisible: true });
  all[next].scrollIntoView({ block: "nearest" });
}

/** `go`: navigates. `up`: leaves a detail for its list. `theme` and `pause`: toggles. */
export function listen({ go, up, theme, pause }) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isOpen()) return;
    const inField = event.target.closest?.("input, textarea, select");
    if (event.key === "Escape") {
      if (inField) inField.blur();
      else up();
      return;
    }
    if (inField) return;
    const actions = {
      "?": help, t: theme, j: () => step(1), k: () => step(-1),
      "/": () => document.getElementById("search-box").select(), g: () => { goUntil = Date.now() + GO_MS; },
    };
    const going = Date.now() < goUntil && PLACES[event.key];
    goUntil = 0;
    if (event.key === " " && event.target === document.body) actions[" "] = pause;
    const action = going ? () => go(going) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
