import assert from "node:assert/strict";
import { test } from "node:test";

import { fields, minutesLimit, missing, refusal } from "../../../static/js/proctor/acts.js";
import { address, Api, Keys, outcome } from "../../../static/js/proctor/api.js";
import { shortcut, socketAddress, spoken } from "../../../static/js/proctor/console.js";
import { offered } from "../../../static/js/proctor/focus.js";
import { places } from "../../../static/js/proctor/queue.js";
import { age, fill, speaker, timeLeft } from "../../../static/js/proctor/words.js";

const say = (name, facts = {}) => [name, ...Object.values(facts)].join(" ");

test("replies to an act", () => {
  const row = { id: 1, state: "submitted" };
  const cases = [
    [200, { row }, { kind: "done", row }],
    [409, { code: "version-moved", row }, { kind: "moved", row }],
    [422, { code: "over-limit", facts: { left: 4 }, sentence: "Four are left." }, { kind: "refused", code: "over-limit", facts: { left: 4 }, sentence: "Four are left." }],
    [401, null, { kind: "signed-out" }],
    [403, null, { kind: "forbidden" }],
    [503, null, { kind: "away" }],
    [400, {}, { kind: "fault", status: 400 }],
    [200, null, { kind: "fault", status: 200 }],
  ];
  for (const [status, body, expected] of cases) assert.deepEqual(outcome(status, body), expected);
});

test("every outcome but success has its sentence", () => {
  assert.equal(refusal(say, { kind: "done" }), null);
  assert.equal(refusal(say, { kind: "moved", row: { state: "submitted" } }), "refusal.moved state.submitted");
  assert.equal(refusal(say, { kind: "refused", sentence: "No." }), "No.");
  assert.equal(refusal(say, { kind: "away" }), "refusal.away");
});

/** An Api whose replies are given in turn, and what it sent. */
function server(...replies) {
  const sent = [];
  let made = 0;
  const api = new Api({
    urls: { acts: "/api/proctor/attempts/0/acts" },
    token: "csrf",
    keys: new Keys(() => `key-${(made += 1)}`),
    fetch: async (url, request) => {
      sent.push({ url, token: request.headers["X-CSRFToken"], ...JSON.parse(request.body) });
      const reply = replies.shift();
      if (reply === "lost") throw new TypeError("lost");
      return { status: reply[0], json: async () => reply[1] };
    },
  });
  return { api, sent };
}

const row = { id: 12, version: 7 };

test("an act carries version, token and a key that is kept while its reply is missing", async () => {
  const { api, sent } = server("lost", [503, null], [200, { row }], [200, { row }]);
  assert.equal((await api.act(row, "pause", { reason: { category: "a", text: "" } })).kind, "away");
  assert.equal((await api.act(row, "pause", { reason: { category: "a", text: "" } })).kind, "away");
  assert.equal((await api.act(row, "pause", { reason: { category: "a", text: "" } })).kind, "done");
  await api.act(row, "pause", { reason: { category: "a", text: "" } });
  assert.deepEqual(sent.map(({ key }) => key), ["key-1", "key-1", "key-1", "key-2"]);
  assert.deepEqual(sent[0], { url: "/api/proctor/attempts/12/acts", token: "csrf", act: "pause", version: 7, reason: { category: "a", text: "" }, key: "key-1" });
});

test("other words, or another version, are another act", async () => {
  const { api, sent } = server("lost", "lost", [409, { row: { ...row, version: 8 } }], [200, { row }]);
  await api.act(row, "message", { text: "Hello" });
  await api.act(row, "message", { text: "Hello there" });
  await api.act(row, "message", { text: "Hello" });
  await api.act({ ...row, version: 8 }, "message", { text: "Hello" });
  assert.deepEqual(sent.map(({ key }) => key), ["key-1", "key-2", "key-1", "key-3"]);
});

test("the address of an attempt", () => {
  assert.equal(address("/api/proctor/attempts/0", 31), "/api/proctor/attempts/31");
  assert.equal(address("/v0/attempts/0/acts", 31), "/v0/attempts/31/acts");
});

test("what each act sends and what it waits for", () => {
  const filled = { step: "photo", minutes: "5", category: "other", text: " a ", note: " b " };
  assert.deepEqual(fields("return_to_step", filled), { step: "photo", reason: { category: "other", text: "a" } });
  assert.deepEqual(fields("give_time", filled), { minutes: 5, reason: { category: "other", text: "a" } });
  assert.deepEqual(fields("resume", filled), { note: "b" });
  assert.deepEqual(fields("confirm_end", filled), {});
  assert.equal(missing("pause", { category: "" }, 10), "missing.category");
  assert.equal(missing("return_to_step", { category: "a" }, 10), "missing.step");
  for (const minutes of ["", "0", "11", "2.5", "x"]) assert.equal(missing("give_time", { ...filled, minutes }, 10), "missing.minutes");
  assert.equal(missing("give_time", { ...filled, minutes: "10" }, 10), null);
  assert.equal(missing("resume", {}, 10), null);
});

test("a lead may give more time", () => {
  const limits = { proctor_minutes: 10, lead_minutes: 60 };
  assert.equal(minutesLimit(limits, { lead: false }), 10);
  assert.equal(minutesLimit(limits, { lead: true }), 60);
});

test("the panel offers what fits the state", () => {
  const me = { name: "Dana", lead: false };
  const lead = { name: "Lee", lead: true };
  const at = (state, end_proposed_by = null) => ({ state, end_proposed_by });
  assert.deepEqual(offered(at("awaiting"), me), ["admit", "return_to_step"]);
  assert.deepEqual(offered(at("in_progress"), me), ["pause", "give_time", "propose_end"]);
  assert.deepEqual(offered(at("paused_proctor"), me), ["resume", "give_time", "propose_end"]);
  assert.deepEqual(offered(at("in_progress", "Dana"), lead), ["pause", "give_time", "confirm_end", "withdraw_end"]);
  assert.deepEqual(offered(at("submitted"), lead), []);
});

test("who was admitted keeps the place until the proctor has left the queue", () => {
  assert.deepEqual(places([1, 2, 3], [2, 3, 4], true), [1, 2, 3, 4]);
  assert.deepEqual(places([1, 2, 3], [2, 3, 4], false), [2, 3, 4]);
});

test("letters act outside of text, alone, and where they are wanted", () => {
  const where = { typing: false, dialogOpen: false, wanted: true };
  assert.equal(shortcut({ key: "p" }, where), "pause");
  assert.equal(shortcut({ key: "p", ctrlKey: true }, where), null);
  assert.equal(shortcut({ key: "p" }, { ...where, typing: true }), null);
  assert.equal(shortcut({ key: "p" }, { ...where, wanted: false }), null);
  assert.equal(shortcut({ key: "Escape" }, { ...where, wanted: false, typing: true }), "back");
  assert.equal(shortcut({ key: "Escape" }, { ...where, dialogOpen: true }), null);
});

test("many needs at once are one sentence", () => {
  assert.equal(spoken(say, [{ name: "Ana", code: "lost" }]), "spoken.one Ana concern.lost");
  assert.equal(spoken(say, Array(4).fill({ name: "Ana", code: "lost" })), "spoken.many 4");
});

test("the socket follows the page's own scheme", () => {
  assert.equal(socketAddress("/live/proctor", "https://test.example/proctor/sessions/1"), "wss://test.example/live/proctor");
  assert.equal(socketAddress("/live/proctor", "http://localhost:8000/proctor/"), "ws://localhost:8000/live/proctor");
});

test("sentences", () => {
  const speak = speaker({ one: { two: "{name} waits {x}" }, many: { one: "{count} candidate", other: "{count} candidates" } });
  assert.equal(speak("one.two", { name: "Ana" }), "Ana waits {x}");
  assert.equal(speak("many", { count: 1 }), "1 candidate");
  assert.equal(speak("many", { count: 2 }), "2 candidates");
  assert.equal(speak("one.three"), "one.three");
  assert.equal(fill("{a}{a}", { a: "$&" }), "$&$&");
});

test("lengths of time in calm steps", () => {
  for (const [ms, unit, count] of [[-5, "moment", 0], [9_999, "moment", 0], [19_999, "seconds", 10], [59_999, "seconds", 50], [60_000, "minutes", 1], [3_600_000, "hours", 1]]) {
    assert.deepEqual(age(ms), { unit, count });
  }
});

test("time left", () => {
  assert.equal(timeLeft(say, null, false), null);
  assert.equal(timeLeft(say, 0, false), "left.none");
  assert.equal(timeLeft(say, 299, false), "left.clock 4:59");
  assert.equal(timeLeft(say, 61, true), "left.held 2");
  assert.equal(timeLeft(say, 301, false, "left-short"), "left-short.minutes 6");
});
