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

/** Ask with content of one's own; the answer can be given once `ready` has come true. */
export async function question({ title, content, yes, danger, ready }) {
  const keep = closing("", "Leave it", "");
  const go = closing("yes", yes, danger ? "danger" : "primary");
  go.disabled = true;
  ready.then((isReady) => { go.disabled = !isReady; });
  const answer = show(title, content, [keep, go]);
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

/** Tell something; `content` is nodes. */
export const tell = (title, content) => show(title, content, [closing("", "Close", "primary")]);

export const isOpen = () => dialog.open;
