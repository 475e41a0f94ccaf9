// @ts-check
// The navigation bar: the current screen, badges, and keyboard shortcuts.

import { byId } from "../dom.js";
import { count as counted } from "../format.js";
import { needsWords } from "./needs.js";

const bar = byId("nav");
const more = byId("more");
const links = [...bar.querySelectorAll("a")];
const words = new Map(links.map((link) => [link, link.textContent]));

// Screens without a link in the bar; `needs` and `failures` are bookmarks of screens that the Inbox replaced.
const OTHERS = { "/report": "report", "/needs": "inbox", "/failures": "inbox" };

/** The name of the screen under a path. */
export const nameOf = (path) =>
  OTHERS[path] ?? links.find((link) => link.getAttribute("href") === path)?.dataset.screen;

/** The path behind a letter. */
export const pathOf = (letter) => links.find((link) => link.dataset.key === letter)?.getAttribute("href");

/** All screens, by path and name. */
export const screens = () => links.map((link) => ({ path: link.getAttribute("href"), words: words.get(link) }));

/** The shortcuts for the help. */
export const letters = () => links.map((link) => [`g ${link.dataset.key}`, `go to ${words.get(link)}`]);

export function mark(name) {
  open(false);
  for (const link of links) {
    if (link.dataset.screen === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // On a narrow screen only the first screens fit; the button opens the rest.
  const isBehind = links.some((link) => link.dataset.screen === name && link.matches("[data-behind]"));
  more.toggleAttribute("data-current", isBehind);
}

/** Update the badges. */
export function count(status) {
  const waits = { inbox: status.needs.groups };
  for (const link of links) {
    const n = waits[link.dataset.screen];
    if (n === undefined) continue;
    const text = n ? counted(n) : "";
    let node = link.querySelector(".n");
    if (!node) {
      node = document.createElement("span");
      node.className = "n";
      link.append(node);
    }
    if (node.textContent !== text) node.textContent = text;
    link.title = [`g ${link.dataset.key}`, needsWords(status.needs)].filter(Boolean).join(" – ");
  }
}

function open(wanted) {
  more.setAttribute("aria-expanded", String(wanted));
}

more.addEventListener("click", () => open(more.getAttribute("aria-expanded") !== "true"));
document.addEventListener("click", (event) => bar.contains(/** @type {Node} */ (event.target)) || open(false));
// On the document: a screen that loads a moment later takes the focus away from the button.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || more.getAttribute("aria-expanded") !== "true") return;
  event.stopPropagation();
  open(false);
  more.focus();
});
for (const link of links) link.title = `g ${link.dataset.key}`;
