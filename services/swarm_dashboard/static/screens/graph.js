// @ts-check
// Graph: dependencies between tasks, and the critical path.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { picture } from "../pictures/graph.js";
import { graphPath } from "../pictures/graphwords.js";
import { empty } from "../pieces.js";
import { importTasks } from "../requests/importform.js";

export const name = "graph";
export const title = ({ query }) => (query.get("task") ? `Graph around ${query.get("task")}` : "Graph");
export const follows = true;
export const keys = {
  "+": ["larger", () => picture.zoom(1)],
  "-": ["smaller", () => picture.zoom(-1)],
  0: ["fit to the window", () => picture.zoom(0)],
  n: ["show the neighbors of the task", () => picture.around()],
  c: ["go to the critical path", () => picture.toCritical()],
};

const PARAMETERS = ["task", "phase", "depth", "view"];
const DEPTHS = [1, 2, 3, 5, 8];
const VIEWS = { all: "All", phases: "By phase", work: "Active" };

export const load = ({ query }, signal) =>
  get("/api/graph", Object.fromEntries(PARAMETERS.map((key) => [key, query.get(key)])), signal);

/** @param {View<Api.Graph>} context */
export function view({ data, status, place, go }) {
  if (data.total === 0)
    return h(
      "div",
      { class: "screen" },
      h("h1", { class: "unseen" }, "Graph"),
      empty(
        "The queue is empty. ",
        h("button", { type: "button", class: "primary", onclick: importTasks }, "Import tasks…"),
      ),
    );
  const { query } = place;
  return h(
    "div",
    { class: "screen wide" },
    h("h1", { class: "unseen" }, "Graph"),
    h(
      "div",
      { class: "filters" },
      h(
        "nav",
        { class: "tabs", "aria-label": "What is shown" },
        Object.entries(VIEWS).map(([key, words]) =>
          h("a", { key, href: graphPath({ view: key }), "aria-current": data.view === key ? "true" : null }, words),
        ),
      ),
      h(
        "div",
        { class: "toolbar" },
        data.phases.length > 0 &&
          h(
            "select",
            {
              "aria-label": "Phase",
              onchange: (event) => go(event.target.value ? graphPath({ phase: event.target.value }) : "/graph"),
            },
            h("option", { value: "" }, "choose a phase…"),
            data.phases.map((phase) => h("option", { value: phase, selected: phase === query.get("phase") }, phase)),
          ),
        h(
          "form",
          {
            class: "around",
            onsubmit: (event) => {
              event.preventDefault();
              const id = event.target.elements.task.value.trim();
              if (id) go(graphPath({ task: id, depth: 2 }));
            },
          },
          h("input", {
            name: "task",
            "aria-label": "Show the graph around a task",
            placeholder: "Around task id",
            size: 22,
            maxlength: 200,
            autocomplete: "off",
            "data-own": "",
          }),
        ),
        h(
          "span",
          { class: "zooms", role: "group", "aria-label": "Zoom" },
          h(
            "button",
            {
              type: "button",
              class: "small",
              "aria-label": "Smaller",
              title: "Smaller (-)",
              onclick: () => picture.zoom(-1),
            },
            "−",
          ),
          h(
            "button",
            {
              type: "button",
              class: "small",
              "aria-label": "Larger",
              title: "Larger (+)",
              onclick: () => picture.zoom(1),
            },
            "+",
          ),
          h(
            "button",
            { type: "button", class: "small", title: "Fit to the window (0)", onclick: () => picture.zoom(0) },
            "Fit",
          ),
        ),
      ),
    ),
    h("p", { class: "quiet found" }, shown(data, query), data.view === "task" && depths(query)),
    data.boxes.length
      ? picture.at({ data, status, place, go })
      : empty("No tasks here. ", h("a", { href: "/graph" }, "Show the whole graph")),
  );
}

function shown(data, query) {
  const boxes = count(data.boxes.length);
  if (data.view === "phases") {
    const sample = data.looked_at ? ` Links are based on the first ${count(data.looked_at)} tasks of each phase.` : "";
    return `${plural(data.of, "phase")} of ${plural(data.total, "task")}${data.cut ? `, showing the first ${boxes}` : ""}.${sample}`;
  }
  const links = data.links_cut ? ` Only the first ${count(data.links.length)} links are drawn.` : "";
  if (data.view === "task")
    return `${plural(data.boxes.length, "task")} around ${query.get("task")}${data.cut ? " (the nearest ones)" : ""}.${links}`;
  if (data.cut)
    return `Showing ${boxes} of ${plural(data.of, "task")}; choose a ${data.view === "phase" ? "task" : "phase or a task"}.${links}`;
  const what =
    {
      work: ` of ${count(data.total)}, around running and stopped work`,
      phase: ` of phase ${query.get("phase") || "–"}`,
    }[data.view] ?? "";
  return `${plural(data.boxes.length, "task")}${what}.${links}`;
}

function depths(query) {
  const now = Number(query.get("depth") ?? 2);
  return [
    " Distance: ",
    h(
      "span",
      { class: "tabs small" },
      DEPTHS.map((depth) =>
        h(
          "a",
          {
            key: depth,
            href: graphPath({ task: query.get("task"), depth }),
            "aria-current": depth === now ? "true" : null,
          },
          String(depth),
        ),
      ),
    ),
  ];
}
