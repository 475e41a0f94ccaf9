// @ts-check
// Which columns of a list are shown, kept in this browser.

import { h } from "../dom.js";

const KEY = "swarm-columns";

/** @returns {Record<string, boolean>} what was chosen, by the column's name */
function chosen() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}

/**
 * Those of some columns that are shown. A column with `fixed` always is; one with `extra` only once it was chosen.
 * @template {{ name: string, fixed?: boolean, extra?: boolean }} Column
 * @param {Column[]} columns
 */
export function shown(columns) {
  const choice = chosen();
  return columns.filter(({ name, fixed, extra }) => fixed || (choice[name] ?? !extra));
}

/** A menu of the columns that can be hidden or shown. `redraw` is called after each change. */
export function columnMenu(columns, redraw) {
  const visible = new Set(shown(columns));
  return h(
    "details",
    { class: "menu", key: "columns", onkeydown: closeOnEscape },
    h("summary", { class: "button small" }, "Columns"),
    h(
      "fieldset",
      null,
      h("legend", null, "Columns shown"),
      columns
        .filter((column) => !column.fixed)
        .map((column) =>
          h(
            "label",
            { key: column.name },
            h("input", {
              type: "checkbox",
              name: column.name,
              checked: visible.has(column),
              onchange: (event) => {
                localStorage.setItem(KEY, JSON.stringify({ ...chosen(), [column.name]: event.target.checked }));
                redraw();
              },
            }),
            " ",
            column.name,
          ),
        ),
    ),
  );
}

function closeOnEscape(event) {
  if (event.key !== "Escape" || !event.currentTarget.open) return;
  event.stopPropagation(); // for the screen it means: back
  event.currentTarget.open = false;
  event.currentTarget.querySelector("summary").focus();
}
