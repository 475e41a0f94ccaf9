import assert from "node:assert/strict";
import { test } from "node:test";
import "./document.js";

globalThis.location = { pathname: "/" };
const { warnings, lasts, whatToDo } = await import("../../services/swarm_dashboard/static/frame/warnings.js");
const { needsWords } = await import("../../services/swarm_dashboard/static/frame/needs.js");

const finding = (changed) => ({
  code: "paused",
  level: "warn",
  text: "the queue is paused: no new tasks start (by the budget, 2026-11-29T10:00:00.000Z): used up",
  advice: null,
  command: "amplifier-swarm resume",
  action: "resume",
  target: null,
  passes: false,
  ...changed,
});
const shown = (obstacles, running = [], wanted = undefined) => warnings({ obstacles, running }, wanted);
const texts = (nodes) => nodes.map((node) => node.textContent);

test("a notice is the finding in bold up to its details, with a button in place of the command", () => {
  const [notice] = shown([finding()]);
  const [words, offers] = notice.children;
  assert.equal(words.children[0].textContent, "The queue is paused");
  assert.match(
    words.textContent,
    /^The queue is paused: no new tasks start \(by the budget, .*\d\d:\d\d:\d\d\): used up\. $/,
  );
  assert.equal(offers.textContent, "Resume");
});

test("one resume is offered, however many obstacles it removes", () => {
  const hold = finding({ code: "provider_hold", text: "claude is on hold until you resume (quota): used up" });
  const found = texts(shown([finding(), finding({ code: "drained" }), hold]));
  assert.equal(found.filter((text) => text.includes("Resume")).length, 1);
  assert.match(found[0], /Resume$/);
});

test("while tasks run, a pause offers to stop them", () => {
  assert.match(texts(shown([finding()], [{}, {}]))[0], /Stop 2 running tasks…Resume$/);
});

test("findings without a button each keep their advice", () => {
  const file = finding({ action: null, command: null, passes: true, advice: "wait for its writer" });
  const found = texts(shown([file, finding({ ...file, code: "busy", advice: "wait for the lock" })]));
  assert.match(found[0], /Wait for its writer\. $/);
  assert.match(found[1], /Wait for the lock\. $/);
});

test("a command is shown where nothing but a terminal helps", () => {
  const [text] = texts(shown([finding({ action: null, advice: "end that program", command: "kill -CONT 7" })]));
  assert.match(text, /End that program: kill -CONT 7/);
  assert.equal(whatToDo({ hint: "set the number of workers", command: null, action: "scale" }), null);
  assert.equal(whatToDo({ hint: null, command: null, action: null }), null);
});

test("what passes by itself is no entry of the Inbox", () => {
  assert.equal(shown([finding(), finding({ passes: true })], [], lasts).length, 1);
});

test("what needs you is counted in causes and tasks, and notices", () => {
  assert.equal(needsWords({ causes: 3, total: 118, notices: 0 }), "3 causes, 118 tasks");
  assert.equal(needsWords({ causes: 1, total: 1, notices: 2 }), "1 cause, 1 task, 2 notices");
  assert.equal(needsWords({ causes: 0, total: 0, notices: 0 }), "");
});
