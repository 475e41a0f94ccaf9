// @ts-check
// Syntax colours for lines of code: the vendored Prism finds the tokens, and they become elements with a class.

import { h } from "../dom.js";

const LANGUAGES = {
  js: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  jsx: "jsx",
  ts: "typescript",
  tsx: "tsx",
  py: "python",
  rs: "rust",
  go: "go",
  java: "java",
  c: "c",
  h: "c",
  cc: "cpp",
  cpp: "cpp",
  hpp: "cpp",
  rb: "ruby",
  sh: "bash",
  bash: "bash",
  json: "json",
  yaml: "yaml",
  yml: "yaml",
  toml: "toml",
  html: "markup",
  xml: "markup",
  svg: "markup",
  css: "css",
  sql: "sql",
};
const LONGEST = 1_000; // characters of a line that are coloured

/** @type {any} */
let prism = null;

/** Load the library; the lines are readable without it. */
export async function loadSyntax() {
  prism ??= (await import("../vendor/prism.js")).default;
  return prism;
}

/** The language of a file, from its name; null where none is known. */
export function languageOf(path) {
  return LANGUAGES[/\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? ""] ?? null;
}

/** A line of code as nodes. Lines are coloured one by one: what spans several may be coloured as if it did not. */
export function coloured(text, language) {
  const grammar = prism?.languages[language ?? ""];
  if (!grammar || text.length > LONGEST) return [text];
  return prism.tokenize(text, grammar).map(node);
}

function node(token) {
  if (typeof token === "string") return token;
  const content = Array.isArray(token.content) ? token.content.map(node) : [node(token.content)];
  return h("span", { class: `t-${token.type}` }, content);
}
