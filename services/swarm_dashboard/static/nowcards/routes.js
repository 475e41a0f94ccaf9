// @ts-check
// The routes that sessions of agents run on: which one is in use, what holds the others, and what each has cost.

import { h } from "../dom.js";
import { capitalized, compact, count, dollars } from "../format.js";
import { at, cell, icon, table } from "../pieces.js";

const STATES = {
  open: ["not_started", "standby"],
  held: ["held", "on hold"],
  probing: ["scheduled", "one session is trying it"],
  limited: ["scheduled", "at its limit"],
  unused: ["cancelled", "not used"],
};
const ROLES = { builder: "building", validator: "validation" };
/** A card with the routes of swarm.yaml, best first; nothing without any. @param {Api.Status} status */
export function routes({ routes: all }) {
  if (!all.length) return null;
  return h(
    "section",
    { class: "card", key: "routes" },
    h("h2", null, "Routes"),
    table("routes", "Routes", ["Route", "For", "State", "Running", "Spent"], all.map(row)),
  );
}

/** @param {Api.Route} route */
function row(route) {
  const [group, word] = route.in_use && route.state === "open" ? ["in_progress", "in use"] : STATES[route.state];
  const how = [route.agent_cli, route.model, route.account].filter((part) => part && part !== route.name);
  return h(
    "tr",
    { key: `${route.role} ${route.name}` },
    cell(
      "Route",
      { class: "c-text" },
      h("strong", null, route.name),
      how.length > 0 && h("span", { class: "quiet" }, ` ${how.join(" · ")}`),
    ),
    cell("For", { class: "c-role" }, ROLES[route.role]),
    cell(
      "State",
      { class: "c-state" },
      h("span", { class: "badge", "data-group": group }, icon(group), word),
      route.state === "held" && [" ", route.until ? ["until ", at(route.until)] : "until you resume"],
      route.state === "unused" && h("span", { class: "quiet" }, " – lower tier than the first route"),
      route.reason && h("span", { class: "why" }, `${capitalized(route.cause)}: ${route.reason}`),
    ),
    cell(
      "Running",
      { class: "c-number" },
      count(route.running),
      route.limit !== null && h("span", { class: "quiet" }, `, at most ${route.limit}`),
    ),
    cell("Spent", { class: "c-number" }, spent(route)),
  );
}

/** @param {Api.Route} route */
function spent({ usd, tokens }) {
  const parts = [usd === null ? null : dollars(usd), tokens === null ? null : `${compact(tokens)} tokens`];
  return parts.filter(Boolean).join(", ") || "not reported";
}
