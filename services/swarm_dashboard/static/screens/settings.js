// @ts-check
// Settings: what this swarm works with, from its file, the environment and the defaults; to be read, not changed here.

import { get } from "../api.js";
import { h } from "../dom.js";
import { cell, command, table } from "../pieces.js";

export const name = "settings";
export const title = () => "Settings";

export const load = (_place, signal) => get("/api/settings", {}, signal);

/** @param {View<Api.Settings>} context */
export function view({ data: { settings, file } }) {
  return h(
    "div",
    { class: "screen" },
    h("h1", { class: "unseen" }, "Settings"),
    h(
      "p",
      { class: "quiet" },
      "The settings that the dashboard was started with. Change them in ",
      h("code", null, file),
      ", then restart the swarm. All of them, with their origin: ",
      command("amplifier-swarm config"),
    ),
    h(
      "section",
      { class: "card flush" },
      table(
        "settings",
        ["Setting", "Value", "Meaning"],
        settings.map((one) =>
          h(
            "tr",
            { key: one.name },
            cell("Setting", { class: "c-name" }, h("code", null, one.name)),
            cell(
              "Value",
              { class: "c-text" },
              one.value === null || one.value === ""
                ? "–"
                : typeof one.value === "object"
                  ? JSON.stringify(one.value)
                  : String(one.value),
              one.changed && h("span", { class: "quiet" }, " (changed)"),
            ),
            cell("Meaning", { class: "c-text" }, one.text),
          ),
        ),
      ),
    ),
  );
}
