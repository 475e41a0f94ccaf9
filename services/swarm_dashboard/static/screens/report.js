// @ts-check
// Report: the results of the whole queue, as the page that can be saved and sent.

import { post } from "../api.js";
import { h } from "../dom.js";
import { saveReport } from "../download.js";
import { Notice } from "../requests/notices.js";

export const name = "report";
export const title = () => "Report";

const FORMS = /** @type {const} */ ([
  ["html", "HTML"],
  ["markdown", "Markdown"],
  ["json", "JSON"],
]);
let address = ""; // of the page that is shown: kept until the user leaves or updates it

/** The page has no origin and cannot carry the token, so each visit needs a ticket. */
const freshAddress = async () =>
  `/api/report/page?${new URLSearchParams({ ticket: (await post("/api/report/ticket")).ticket })}`;

export async function load() {
  address ||= await freshAddress();
  return null;
}

export function leave() {
  address = "";
}

/** @param {View<null>} context */
export function view({ redraw }) {
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Report"),
    h(
      "div",
      { class: "report-tools" },
      h("p", { class: "quiet" }, "The results so far, as a page to save, send or print."),
      h("button", { type: "button", onclick: () => update(redraw) }, "Update"),
      h("button", { type: "button", onclick: openTab }, "Open in a new tab"),
      FORMS.map(([form, word]) =>
        h("button", { type: "button", key: form, onclick: () => saveReport(form) }, `Save as ${word}`),
      ),
    ),
    h("iframe", { class: "report", key: address, src: address, title: "Report", sandbox: "" }),
  );
}

async function update(redraw) {
  try {
    address = await freshAddress();
    redraw();
  } catch (error) {
    new Notice("Report:").say("refused", error.message);
  }
}

async function openTab() {
  try {
    const tab = window.open(await freshAddress(), "_blank");
    if (!tab) new Notice("Report:").say("refused", "The browser blocked the new tab. Allow it, or save the report.");
  } catch (error) {
    new Notice("Report:").say("refused", error.message);
  }
}
