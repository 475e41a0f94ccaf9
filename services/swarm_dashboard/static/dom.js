// @ts-check
// Building the page: every text becomes a text node, nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element of page.html. @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (globalThis.document?.getElementById(id));

/** Make an element. `properties`: attributes by name; `on…` functions; `key` for rows that keep their identity. */
export function h(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) set(node, name, value);
  append(node, children);
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function set(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === "key") node.dataset.key = String(value);
  else if (name.startsWith("on")) node[name] = value;
  else if (name === "width") node.style.setProperty("--part", value);
  else node.setAttribute(name, value === true ? "" : String(value));
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

const HANDLERS = ["onclick", "onchange", "oninput", "onsubmit", "onkeydown"];

/**
 * Change `old` into `fresh` in place, so that focus, scroll position and selection stay.
 *
 * Children with a `key` keep their element. Inside `data-calm` nothing is added, removed or moved while the pointer or
 * the focus is there: waiting changes are counted in `waiting.count`, and elements to be removed are marked `data-gone`.
 * Changes that the user caused with the keyboard (`waiting.force`) do not wait; the focus moves with its element.
 * `data-own` content is managed by its own module. `data-steady` content does not change under the pointer unless
 * `waiting.force` is set.
 */
export function morph(old, fresh, waiting) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.dataset.steady !== undefined && isVisited(old) && !waiting.force) return;
  copyAttributes(old, fresh);
  for (const name of HANDLERS) if (old[name] !== fresh[name]) old[name] = fresh[name];
  if (old.dataset.own !== undefined) return;
  const isCalm = old.dataset.calm !== undefined && (waiting.force ? old.matches(":hover") : isVisited(old));
  if (isCalm) refreshOnly(old, fresh, waiting);
  else morphChildren(old, fresh, waiting);
}

function isVisited(node) {
  return node.matches(":hover") || node.querySelector(":focus-visible") !== null;
}

function copyAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    const isThePersons = name === "style" || (name === "open" && old.tagName === "DETAILS");
    if (!fresh.hasAttribute(name) && !isThePersons) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    // The page's policy refuses style attributes; properties of a style may be set.
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const part = fresh.style?.getPropertyValue("--part");
  if (part && old.style.getPropertyValue("--part") !== part) old.style.setProperty("--part", part);
}

function alike(a, b) {
  if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName) return false;
  return a.nodeType === Node.TEXT_NODE || a.dataset?.key === b.dataset?.key;
}

function keyed(node) {
  const found = new Map();
  for (const child of node.children) if (child.dataset.key !== undefined) found.set(child.dataset.key, child);
  return found;
}

function morphChildren(old, fresh, waiting) {
  const known = keyed(old);
  // First of all, so that what follows them without a key is not taken for new: it may hold the focus.
  const kept = keyed(fresh);
  for (const [key, child] of known) if (!kept.has(key)) child.remove();
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted.dataset?.key;
    const match = key === undefined ? (place && alike(place, wanted) ? place : null) : known.get(key);
    if (match && alike(match, wanted)) {
      if (match === place) place = place.nextSibling;
      else old.insertBefore(match, place);
      morph(match, wanted, waiting);
    } else {
      old.insertBefore(wanted, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Update what is there without moving anything, and count what must wait. */
function refreshOnly(old, fresh, waiting) {
  const known = keyed(old);
  const wanted = keyed(fresh);
  let order = 0;
  let moved = 0;
  const places = [...known.keys()];
  for (const [key, child] of wanted) {
    const match = known.get(key);
    if (!match) waiting.count += 1;
    else {
      if (places[order] !== key) moved = 1;
      morph(match, child, waiting);
    }
    order += 1;
  }
  const gone = places.filter((key) => !wanted.has(key));
  for (const key of gone) known.get(key).dataset.gone = "";
  waiting.count += gone.length || (wanted.size === known.size ? moved : 0);
}
