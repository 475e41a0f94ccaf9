// @ts-check
// The page's dialog: confirmations, questions and the help.

import { h } from "../dom.js";

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));

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

/**
 * Ask for confirmation; the safe answer has the focus.
 * @param {{ title: string, text: any, yes: string, danger?: boolean }} question
 */
export const confirm = async ({ title, text, yes, danger }) =>
  (await choose({ title, text, choices: [["yes", yes, danger ? "danger" : "primary"]] })) === "yes";

/** Let the user choose one of several options; returns its value, or an empty text for none. */
export async function choose({ title, text, choices }) {
  const back = closing("", "Go back", "");
  const answer = show(
    title,
    [h("p", null, text)],
    [back, choices.map(([value, words, kind]) => closing(value, words, kind))],
  );
  back.focus();
  return answer;
}

/**
 * Ask with custom content; the confirm button is enabled once `ready` resolves to true.
 * @param {{ title: string, content: any, yes: string, danger?: boolean, ready: Promise<boolean> }} what
 */
export const question = ({ ready, ...what }) =>
  review({ ...what, begin: (allow) => ready.then((isReady) => allow(isReady)) });

/**
 * Ask with content that changes; the confirm button is enabled only while the content allows it.
 * @param {{ title: string, content: any, yes: string, danger?: boolean, kind?: string, begin: (allow: (may: boolean) => void) => void }} what
 *   `begin` is called with a function that allows the answer, or no longer does; `kind` is a class of the dialog.
 */
export async function review({ title, content, yes, danger, kind = "", begin }) {
  const keep = closing("", "Go back", "");
  const go = closing("yes", yes, danger ? "danger" : "primary");
  go.disabled = true;
  begin((may) => {
    go.disabled = !may;
  });
  dialog.className = kind;
  const answer = show(title, content, [keep, go]);
  keep.focus();
  const said = await answer;
  dialog.className = "";
  return said === "yes";
}

/** Ask for text; null if the user cancels. */
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
  const answer = show(
    title,
    [h("p", null, text), field],
    [closing("", "Go back", ""), h("button", { type: "button", class: "primary", onclick: go }, yes)],
  );
  field.focus();
  return (await answer) === "yes" ? field.value.trim() : null;
}

/**
 * Ask with a form; returns the text of each field by name, or null if the user cancels.
 * @returns {Promise<Record<string, any> | null>}
 */
export async function form({ title, content, yes }) {
  const fields = h(
    "form",
    {
      class: "edit",
      onsubmit: (event) => {
        event.preventDefault();
        dialog.close("yes");
      },
    },
    content,
  );
  const submit = h(
    "button",
    { type: "button", class: "primary", onclick: () => fields.reportValidity() && dialog.close("yes") },
    yes,
  );
  const answer = show(title, [fields], [closing("", "Go back", ""), submit]);
  fields.querySelector("[required]")?.focus();
  return (await answer) === "yes" ? Object.fromEntries(new FormData(/** @type {any} */ (fields))) : null;
}

/** Show nodes, with a Close button only. */
export const showInfo = (title, content) => show(title, content, [closing("", "Close", "primary")]);

export const isOpen = () => dialog.open;
