import assert from "node:assert/strict";
import { test } from "node:test";

import { choose, crossOut, savedLine, Sheet, shortcut, Stopwatch, tick } from "../../../static/js/delivery/answers.js";
import { joined, newGrants, unread } from "../../../static/js/delivery/messages.js";
import { stateDelay } from "../../../static/js/delivery/player.js";
import { readSettings } from "../../../static/js/delivery/settings.js";
import { clockOffset, kbps, missing } from "../../../static/js/delivery/system_check.js";
import { onward } from "../../../static/js/delivery/waiting.js";
import { counted, fill } from "../../../static/js/delivery/words.js";

test("the sheet names what is answered, unanswered and flagged", () => {
  const sheet = new Sheet([1, 2, 3], { 2: { option: "b", flagged: true, struck: [] } });
  sheet.apply(3, { state: "answered", option: "a" });
  sheet.apply(1, { state: "flagged", option: null });
  assert.deepEqual([sheet.answered, sheet.unanswered, sheet.flagged], [[2, 3], [1], [1, 2]]);
  sheet.apply(3, { state: "cleared", option: null });
  assert.deepEqual(sheet.unanswered, [1, 3]);
});

test("choosing a crossed-out answer takes the line away", () => {
  assert.deepEqual(choose({ option: null, struck: ["b"] }, "b"), [{ state: "answered", option: "b" }, { state: "unstruck", option: "b" }]);
  assert.deepEqual(choose({ option: null, struck: ["b"] }, "a"), [{ state: "answered", option: "a" }]);
});

test("where several may be chosen each tick is one answer of all that are ticked, in one order", () => {
  assert.deepEqual(tick({ option: "c", struck: ["a"] }, "a"), [{ state: "answered", option: "a c" }, { state: "unstruck", option: "a" }]);
  assert.deepEqual(tick({ option: "a c", struck: [] }, "a"), [{ state: "answered", option: "c" }]);
  assert.deepEqual(tick({ option: "c", struck: [] }, "c"), [{ state: "cleared" }], "no tick is no answer");
  assert.deepEqual(tick({ option: null, struck: [] }, "b"), [{ state: "answered", option: "b" }]);
  assert.deepEqual(tick({ option: "a c", struck: [] }, "b", 2), [], "two are enough");
});

test("crossing out one of several chosen answers keeps them", () => {
  assert.equal(crossOut({ option: "a c", struck: [] }, "c").keeps, true);
});

test("crossing out the chosen answer keeps it and says so", () => {
  assert.deepEqual(crossOut({ option: "a", struck: [] }, "a"), { event: { state: "struck", option: "a" }, keeps: true });
  assert.deepEqual(crossOut({ option: "a", struck: ["a"] }, "a"), { event: { state: "unstruck", option: "a" }, keeps: false });
  assert.equal(crossOut({ option: "a", struck: [] }, "b").keeps, false);
});

test("time counts for a question only while it is visible", () => {
  let now = 0;
  const watch = new Stopwatch(() => now);
  watch.show(1);
  now = 1000;
  watch.show(2);
  now = 1500;
  watch.show(null);
  now = 9000;
  watch.show(1);
  now = 9200;
  assert.equal(watch.take(1), 1200);
  assert.equal(watch.take(2), 500);
  now = 9300;
  assert.equal(watch.take(1), 100);
});

test("what a key does", () => {
  const press = (key, more = {}) => shortcut({ key, modified: false, target: "page", options: 4, ...more });
  assert.deepEqual(press("n"), { act: "next" });
  assert.deepEqual(press("P"), { act: "previous" });
  assert.deepEqual(press("ArrowRight"), { act: "next" });
  assert.deepEqual(press("b"), { act: "choose", position: 1 });
  assert.deepEqual(press("3"), { act: "choose", position: 2 });
  assert.deepEqual(press("f"), { act: "flag" });
  assert.deepEqual(press("t"), { act: "time" });
  assert.equal(press("e"), null, "there is no fifth answer");
  assert.equal(press("9"), null);
  assert.equal(press("n", { modified: true }), null, "the browser's own");
  assert.equal(press("n", { target: "text" }), null, "a letter is a letter");
  assert.equal(press("ArrowRight", { target: "radio" }), null, "arrows belong to the answers");
  assert.deepEqual(press("n", { target: "radio" }), { act: "next" });
  assert.equal(press("Tab"), null);
});

test("the line about saving is honest in both directions", () => {
  const calm = { waiting: 0, oldestMs: 0, lastSavedAt: null, stuck: 0 };
  assert.deepEqual(savedLine(calm), { key: "ready" });
  assert.deepEqual(savedLine({ ...calm, lastSavedAt: 7 }), { key: "saved", at: 7 });
  assert.deepEqual(savedLine({ ...calm, lastSavedAt: 7, waiting: 1, oldestMs: 200 }), { key: "saving", count: 1 });
  assert.deepEqual(savedLine({ ...calm, lastSavedAt: 7, waiting: 3, oldestMs: 2000 }), { key: "waiting", count: 3 });
  assert.deepEqual(savedLine({ ...calm, waiting: 3, oldestMs: 2000, stuck: 1 }), { key: "stuck", count: 1 });
});

test("messages come once, in the order of their numbers, and one's own are never new", () => {
  const all = joined([{ number: 1, from: "proctor" }, { number: 3, from: "proctor" }], [{ number: 2, from: "candidate" }, { number: 3, from: "proctor" }]);
  assert.deepEqual(all.map(({ number }) => number), [1, 2, 3]);
  assert.deepEqual(unread(all, 1).map(({ number }) => number), [3]);
  assert.deepEqual(newGrants([{ minutes: 5 }, { minutes: 10 }], 1), [{ minutes: 10 }]);
});

test("the state is asked for steadily, sooner after a loss, and quickly while covered", () => {
  const random = () => 0;
  assert.equal(stateDelay({ failures: 0, covered: false, stateSeconds: 10, random }), 10_000);
  assert.equal(stateDelay({ failures: 0, covered: true, stateSeconds: 10, random }), 2_000);
  assert.equal(stateDelay({ failures: 1, covered: false, stateSeconds: 10, random }), 250);
  assert.ok(stateDelay({ failures: 30, covered: true, stateSeconds: 10, random: () => 1 }) <= 5_250);
});

test("stored settings that make no sense count as never chosen", () => {
  assert.deepEqual(readSettings(null), { size: "normal", hideClock: false, shortcuts: true });
  assert.deepEqual(readSettings("{oops"), { size: "normal", hideClock: false, shortcuts: true });
  assert.deepEqual(readSettings('{"size":"huge","hideClock":true,"shortcuts":false}'), { size: "normal", hideClock: true, shortcuts: false });
});

test("the way on from the waiting room", () => {
  assert.equal(onward({ state: "awaiting", next: null }), "wait");
  assert.equal(onward({ state: "admitted", next: "/rules" }), "go");
  assert.equal(onward({ state: "checking_in", next: "/photo" }), "back");
});

test("the computer check measures what it says", async () => {
  assert.equal(kbps(131_072, 1000), 1049);
  assert.deepEqual(missing({ localStorage: {}, crypto: { subtle: {} }, WebSocket: {}, HTMLDialogElement: {} }), ["camera"]);
  const replies = [[0, 100], [200, 210], [300, 390]].map(([sent, received]) => ({ sent, received, body: { server_now: (sent + received) / 2 + 5000 } }));
  assert.deepEqual(await clockOffset(async () => replies.shift(), 3), { offset: 5000, rtt: 10 });
});

test("sentences are filled and counted", () => {
  assert.equal(fill("{a} and {b}", { a: 1 }), "1 and {b}");
  assert.equal(counted({ one: "{count} answer", other: "{count} answers" }, 1), "1 answer");
  assert.equal(counted({ one: "{count} answer", other: "{count} answers" }, 3), "3 answers");
});
