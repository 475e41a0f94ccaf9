// The one dialog: questions before what cannot be taken back, and the help.

import { h } from "./dom.js";

const dialog = document.getElementById("dialog");

function show(title, content, buttons) {
  dialog.replaceChildren(h("h2", { id: "dialog-title" }, title), ...content, h("div", { class: "buttons" }, buttons));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue);
  });
}

const closing = (value, text, kind) =>
  h("button", { type: "button", class: kind, onclick: () => dialog.close(value) }, text);

/** Ask before something; the harmless answer has the focus. */
export async function confirm({ title, text, yes, danger }) {
  const keep = closing("", "Leave it", "");
  const answer = show(title, [h("p", null, text)], [keep, closing("yes", yes, danger ? "danger" : "primary")]);
  keep.focus();
  return (await answer) === "yes";
}

/** Ask for a line of text; null when the person leaves it. */
export async function ask({ title, text, yes, value = "", wanted = false, long = false }) {
  const field = h(long ? "textarea" : "input", { "aria-label": title, rows: long ? 4 : null });
  field.value = value;
  const go = () => (field.value.trim() || !wanted ? dialog.close("yes") : field.focus());
  field.onkeydown = (event) => {
    if (event.key === "Enter" && (!long || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      go();
    }
  };
  const answer = show(title, [h("p", null, text), field], [
    closing("", "Leave it", ""),
    h("button", { type: "button", class: "primary", onclick: go }, yes),
  ]);
  field.focus();
  return (await answer) === "yes" ? field.value.trim() : null;
}

const KEYS = [
  ["/", "search"], ["g n", "go to Now"], ["g t", "go to Tasks"], ["g w", "go to Workers"], ["g a", "go to Audit"],
  ["j  k", "next, previous row"], ["Enter", "open the row"], ["Esc", "leave the field, close, or back to the list"],
  ["Space", "pause or go on with live updates"], ["t", "light or dark"], ["?", "this help"],
];

export function help() {
  show("Keys", [
    h("dl", { class: "keys" }, KEYS.map(([key, what]) => [
      h("dt", null, key.split(/\s+/).map((k) => [h("kbd", null, k), " "])), h("dd", null, what)])),
    h("p", { class: "quiet" }, "Searches take words and qualifiers: status:failed, phase:build, id:2.6, “several words”."),
  ], [closing("", "Close", "primary")]);
}

export const isOpen = () => dialog.open;
