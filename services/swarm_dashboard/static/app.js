// @ts-check
// The page: routing, drawing the current screen, and redrawing it when something changes.

import { get, hasToken, keepToken, useToken } from "./api.js";
import { byId, h, morph } from "./dom.js";
import { duration, learnClock } from "./format.js";
import { Desktop } from "./frame/desktop.js";
import { focusedRow, help, keepFocus, listen } from "./frame/keys.js";
import * as nav from "./frame/nav.js";
import { Palette } from "./frame/palette.js";
import { Spoken } from "./frame/spoken.js";
import { showState } from "./frame/tabstate.js";
import * as completions from "./lists/completions.js";
import { rowLink } from "./lists/rowclicks.js";
import { live as line } from "./live.js";
import { command, empty, tickTimes } from "./pieces.js";
import { onOutcome } from "./requests/verbs.js";
import * as audit from "./screens/audit.js";
import * as graph from "./screens/graph.js";
import * as health from "./screens/health.js";
import * as inbox from "./screens/inbox.js";
import * as landing from "./screens/landing.js";
import * as logs from "./screens/logs.js";
import * as now from "./screens/now.js";
import * as report from "./screens/report.js";
import * as settings from "./screens/settings.js";
import * as task from "./screens/task.js";
import * as tasks from "./screens/tasks.js";
import * as workers from "./screens/workers.js";

// What a screen module is: `name`, `title(place)`, `load(place, signal)` and `view(context)`; `place.again()` loads
// again, soon; where it has them, `leave()`,
// `keys` ({letter: [words for the help, function]}) and `follows`, true where its data changes with what happens.
const SCREENS = { now, tasks, inbox, graph, workers, landing, audit, health, logs, settings, report };
const LOST = {
  name: "lost",
  title: () => "Not found",
  load: async () => null,
  view: () =>
    h(
      "div",
      { class: "screen" },
      empty(h("strong", null, `There is no screen at ${location.pathname}.`), " Choose one from the menu above."),
    ),
};
const RELOAD_GAP_MS = 700;
const TYPING_MS = 250;
const main = byId("main");
const chip = byId("chip");
const chipText = byId("chip-text");
const searchBox = /** @type {HTMLInputElement} */ (document.getElementById("search-box"));
const live = /** @type {any} */ (line);
const desktop = new Desktop(byId("desktop"));
const spoken = new Spoken();

/** @type {{ screen: any, place: Place | null, data: any, status: Api.Status | null, extra: Partial<Api.Status> }} */
const shown = { screen: null, place: null, data: null, status: null, extra: {} };
/** @type {Place | null} */
let place = null; // where the address points; `shown.place` is what the page shows
let focusNext = false;
let waiting = 0;
let forceLoaded = false; // the pending load was triggered by the user
let forceDrawn = false; // and part of the result waits until the pointer has left
let paused = false;
let missed = 0;
/** @type {AbortController | null} */
let loading = null;
let loadedAt = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let reloadTimer;
let unloaded = null; // the place that could not be loaded because the server did not answer

// ───── which screen ─────

function placeOf(address) {
  const query = address.searchParams;
  const path = address.pathname;
  const again = () => !paused && reloadSoon();
  if (path.startsWith("/tasks/") && path.length > 7) return { screen: task, id: decode(path.slice(7)), query, again };
  return { screen: SCREENS[nav.nameOf(path.replace(/(.)\/+$/, "$1"))] ?? LOST, query, again };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function open({ focus = false } = {}) {
  place = placeOf(new URL(location.href));
  focusNext = focus;
  if (document.activeElement !== searchBox)
    searchBox.value = place.screen === tasks ? (place.query.get("q") ?? "") : "";
  nav.mark(place.screen === task ? "tasks" : place.screen.name);
  showState(place.screen.title(place), shown.status);
  return show({ force: true });
}

/** Load the current place and draw it; a later call aborts a pending one. */
async function show({ force = false } = {}) {
  if (!place) return;
  forceLoaded ||= force;
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  clearTimeout(reloadTimer);
  reloadTimer = undefined;
  const wanted = place;
  try {
    const data = await wanted.screen.load(wanted, signal);
    if (signal.aborted) return;
    unloaded = null;
    searchNote(null);
    enter(wanted);
    Object.assign(shown, { screen: wanted.screen, place: wanted, data });
    loadedAt = Date.now();
    draw({ force: forceLoaded });
    forceLoaded = false;
    if (focusNext) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
    focusNext = false;
  } catch (error) {
    if (error.name !== "AbortError") complain(error, wanted);
  }
}

/** Discard what is shown. What modules keep is taken out first: it would keep all of the old screen alive. */
function replaceScreen(...nodes) {
  for (const own of main.querySelectorAll("[data-own]")) own.replaceChildren();
  main.replaceChildren(...nodes);
}

/** Switch to another screen or task, and discard the old one. */
function enter(wanted) {
  if (shown.screen === wanted.screen && shown.place?.id === wanted.id) {
    focusNext = false;
    return;
  }
  shown.screen?.leave?.();
  replaceScreen();
}

/** Show why loading failed. If the server did not answer, loading is repeated once it does. */
function complain(error, wanted) {
  if (error.status === 401 || error.status === 429) return askForToken(error);
  unloaded = isLost(error) ? wanted : null;
  if (error.status === 400 && wanted.screen === tasks && shown.screen === tasks) {
    searchNote(error);
    return;
  }
  if (shown.place !== wanted) {
    shown.screen?.leave?.();
    shown.screen = null;
    replaceScreen(
      h(
        "div",
        { class: "screen" },
        empty(
          h("strong", null, error.message),
          error.hint && ` – ${error.hint}`,
          error.status === 404 && h("p", null, h("a", { class: "button", href: "/tasks" }, "All tasks")),
          unloaded &&
            h(
              "p",
              null,
              h("button", { type: "button", class: "primary", onclick: () => show({ force: true }) }, "Try again"),
            ),
        ),
      ),
    );
  }
  drawChip();
}

/** Show a search error below its field; the last result stays. */
function searchNote(error) {
  byId("search-note").textContent = error ? [error.message, error.hint].filter(Boolean).join(": ") : "";
}

const isLost = ({ status }) => !status || status >= 500;

function draw({ force = false } = {}) {
  if (!shown.screen) return;
  const counted = { count: 0, force: force || forceDrawn };
  const status = shown.status && { ...shown.status, ...shown.extra };
  const focused = focusedRow();
  const view = shown.screen.view({ data: shown.data, status, place: shown.place, go, redraw });
  morph(main, h("main", { id: "main", tabindex: "-1", "aria-label": place?.screen.title(place) }, view), counted);
  keepFocus(focused);
  waiting = counted.count;
  forceDrawn = counted.force && waiting > 0;
  drawChip();
}

const redraw = () => draw({ force: true });

function go(address) {
  history.pushState(null, "", address);
  open({ focus: true });
}

// ───── what is new ─────

function reloadSoon() {
  if (reloadTimer !== undefined) return;
  const wait = Math.max(0, RELOAD_GAP_MS - (Date.now() - loadedAt));
  reloadTimer = setTimeout(show, wait);
}

function learn(status) {
  shown.status = status;
  learnClock(status.now);
  nav.count(status);
  desktop.learn(status);
  spoken.learn(status);
  if (place) showState(place.screen.title(place), status);
}

live.addEventListener("news", ({ detail }) => {
  if (detail.status) {
    learn(detail.status);
  }
  if (unloaded) show({ force: true });
  else if (paused) missed += 1;
  else {
    draw();
    if (shown.screen?.follows) reloadSoon();
  }
  drawChip();
});
live.addEventListener("state", () => {
  if (unloaded && live.isOpen) reloadSoon();
  drawChip();
});
live.addEventListener("refused", ({ detail }) => askForToken(detail));
onOutcome(() => show({ force: true }));

function drawChip() {
  const staleSince = live.staleSince;
  const state = staleSince || unloaded ? "stale" : paused ? "paused" : live.isOpen ? "live" : "polling";
  const words = {
    stale: () => (staleSince ? `Stale for ${duration((Date.now() - staleSince) / 1000)}` : "Loading failed"),
    paused: () => (missed ? `Paused, ${missed} waiting` : "Paused"),
    live: () => (waiting ? `Live, ${waiting} waiting` : "Live"),
    polling: () => "Polling",
  }[state]();
  if (chip.dataset.state !== state) chip.dataset.state = state;
  spoken.connection(state);
  if (chipText.textContent !== words) chipText.textContent = words;
  chip.title = paused
    ? "Resume live updates (Space)"
    : "Rows under the pointer stay in place. Click to pause updates (Space)";
  chip.setAttribute("aria-pressed", String(paused));
}

function togglePause() {
  paused = !paused;
  missed = 0;
  if (!paused) {
    draw();
    reloadSoon();
  }
  drawChip();
}

// Updates that waited for the pointer are shown once it has left.
for (const kind of ["pointerout", "focusout"]) {
  main.addEventListener(kind, () => {
    if (waiting && !paused) setTimeout(draw, 60);
  });
}
setInterval(() => !paused && tickTimes(), 1_000);

// ───── without the token ─────

function askForToken(error) {
  live.stop();
  place = null;
  shown.screen?.leave?.();
  shown.screen = null;
  const field = h("input", {
    "aria-label": "Link or token",
    placeholder: "Paste the link or the token",
    autocomplete: "off",
  });
  const submit = (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    useToken(field.value);
    location.reload();
  };
  replaceScreen(
    h(
      "div",
      { class: "screen" },
      h(
        "section",
        { class: "card first" },
        h(
          "h1",
          null,
          error.status === 429
            ? "Too many wrong tokens"
            : hasToken()
              ? "This link is no longer valid"
              : "Open the dashboard with its link",
        ),
        h(
          "p",
          null,
          "It controls the swarm, so it only opens with its token. In a terminal, next to the database, run",
        ),
        h("p", null, command("amplifier-swarm dashboard")),
        h("p", null, "and open the link it prints. This browser will remember it."),
        h(
          "form",
          { class: "token", onsubmit: submit },
          field,
          h("button", { type: "submit", class: "primary" }, "Open"),
        ),
      ),
    ),
  );
  chip.dataset.state = "stale";
  chipText.textContent = "Locked";
}

// ───── start ─────

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("swarm-theme", root.dataset.theme);
}

function up() {
  if (shown.screen !== task) return;
  if (history.state?.inside) history.back();
  else go("/tasks");
}

document.addEventListener("click", (event) => {
  const link = /** @type {HTMLAnchorElement} */ (
    /** @type {HTMLElement} */ (event.target).closest?.("a[href]") ?? rowLink(event)
  );
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented || link.hasAttribute("download")) return;
  const address = new URL(link.href);
  if (address.origin !== location.origin || link.getAttribute("href")?.startsWith("#")) return;
  event.preventDefault();
  history.pushState({ inside: true }, "", address);
  open({ focus: true });
});
addEventListener("popstate", () => open());
function searchAddress() {
  const query = new URLSearchParams(shown.screen === tasks ? location.search : "");
  query.delete("cursor");
  if (searchBox.value.trim()) query.set("q", searchBox.value.trim());
  else query.delete("q");
  return `/tasks?${query}`;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
searchBox.addEventListener("input", () => {
  completions.offer(searchBox, shown.status);
  clearTimeout(typing);
  // On the list, results update while the user types; an incomplete search leaves them unchanged.
  if (shown.screen === tasks) {
    typing = setTimeout(() => {
      history.replaceState(history.state, "", searchAddress());
      open();
    }, TYPING_MS);
  }
});
searchBox.addEventListener("focus", () => completions.offer(searchBox, shown.status));
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  const address = searchAddress();
  searchBox.blur();
  go(address);
});
byId("theme").addEventListener("click", toggleTheme);
byId("help").addEventListener("click", () => help(screenKeys()));
chip.addEventListener("click", togglePause);
const screenKeys = () => shown.screen?.keys ?? {};
const palette = new Palette({
  go,
  theme: toggleTheme,
  help: () => help(screenKeys()),
  task: () => (shown.screen === task ? shown.data?.task : null),
  status: () => shown.status,
});
listen({
  go,
  up,
  screenKeys,
  palette: () => palette.open(),
  theme: toggleTheme,
  pause: togglePause,
  update: redraw,
});

async function start() {
  keepToken();
  try {
    const { auth, database, ...status } = await get("/api/status");
    shown.extra = { auth, database };
    learn(status);
    if (auth === "none")
      document.body.prepend(
        h("p", { class: "open-to-all" }, "This dashboard has no token: everyone on this machine can use it."),
      );
  } catch (error) {
    if (error.status === 401 || error.status === 429) {
      askForToken(error);
      return;
    }
  }
  live.start();
  open();
}

addEventListener("hashchange", () => {
  if (!location.hash.startsWith("#t=")) return;
  keepToken();
  location.reload();
});
start();
