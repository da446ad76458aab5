import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

import { backoff, readJson, retryAfterMs } from "../../../static/js/delivery/http.js";
import { Journal } from "../../../static/js/delivery/journal.js";
import { nextBatch, payload, pause, Sender, verdict } from "../../../static/js/delivery/sender.js";

const event = (seq, more = {}) => ({ device: "d", epoch: 1, seq, slot: 1, option: "a", state: "answered", elapsed_ms: 5, written: true, since: 0, ...more });

test("the pause doubles from a quarter of a second to fifteen, with full jitter", () => {
  const steps = [0, 1, 2, 5, 6, 20].map((tries) => backoff(tries, { random: () => 1 }));
  assert.deepEqual(steps, [250, 500, 1000, 8000, 15_000, 15_000]);
  assert.equal(backoff(6, { random: () => 0 }), 0);
});

test("a time the server names comes before our own", () => {
  assert.equal(pause({ tries: 0, retryAfterMs: 4000, random: () => 0.5 }), 4500);
  assert.equal(pause({ tries: 1, retryAfterMs: null, random: () => 1 }), 500);
});

test("Retry-After is seconds or a date", () => {
  assert.equal(retryAfterMs("3", 0), 3000);
  assert.equal(retryAfterMs("Thu, 01 Jan 1970 00:00:10 GMT", 4000), 6000);
  assert.equal(retryAfterMs("soon", 0), null);
  assert.equal(retryAfterMs(null, 0), null);
});

test("a page in place of our JSON is no answer", () => {
  assert.equal(readJson("text/html", "<p>Welcome to the hotel</p>"), null);
  assert.equal(readJson("application/json", "{broken"), null);
  assert.deepEqual(readJson("application/json; charset=utf-8", '{"acked":1}'), { acked: 1 });
});

test("what a reply means", () => {
  for (const [status, body, expected] of [
    [200, { acked: 3 }, "stored"],
    [200, null, "later"],
    [200, {}, "later"],
    [422, { refused: [] }, "refused"],
    [409, { status: "moved" }, "moved"],
    [409, { code: "not-now", state: "admitted" }, "later"],
    [401, { code: "bad-token" }, "sign-in"],
    [400, { code: "bad-request" }, "fault"],
    [403, null, "fault"],
    [429, null, "later"],
    [503, null, "later"],
    [500, null, "later"],
  ]) {
    assert.equal(verdict({ status, body }), expected, `${status}`);
  }
});

test("a batch is of one device and one epoch, the oldest first, at most a hundred", () => {
  const many = Array.from({ length: 130 }, (_, index) => event(index + 1));
  assert.equal(nextBatch(many).events.length, 100);
  assert.deepEqual(nextBatch([event(1), event(2, { epoch: 2 })]).events.map(({ seq }) => seq), [1]);
  assert.deepEqual(nextBatch([event(1), event(2)], 100, new Set(["d/1"])).events.map(({ seq }) => seq), [2]);
  assert.equal(nextBatch([]), null);
  assert.deepEqual(payload({ device: "d", epoch: 1, events: [event(7)] }), {
    device: "d",
    epoch: 1,
    events: [{ seq: 7, slot: 1, option: "a", state: "answered", elapsed_ms: 5 }],
  });
});

/** A sender whose server answers with what `replies` returns, request after request. */
function made(replies, { epoch = 1, events = [] } = {}) {
  const journal = new Journal({ attempt: 5, epoch, device: "d", highest: events.length, cipher: null, shelves: [], events });
  const requests = [];
  const send = async (url, { json }) => {
    requests.push(json);
    const reply = replies(json, requests.length);
    if (reply instanceof Error) throw reply;
    return { retryAfterMs: null, sent: 0, received: 1, ...reply };
  };
  const sender = new Sender({ journal, url: "/responses", token: "t", epoch, send, random: () => 0.01 });
  return { sender, journal, requests };
}

const stored = ({ events }) => ({ status: 200, body: { acked: events.at(-1).seq, gaps: [], late: [], server_now: 9, status: "running" } });
const answer = (slot) => ({ slot, option: "a", state: "answered", elapsed_ms: 1 });

test("one request is in flight at a time, and what comes meanwhile goes together", async () => {
  let open = 0;
  let most = 0;
  const { sender, requests } = made(stored);
  const plain = sender.send;
  sender.send = async (...args) => {
    most = Math.max(most, ++open);
    await wait(20);
    open -= 1;
    return plain(...args);
  };
  await sender.note(answer(1));
  await Promise.all([sender.note(answer(2)), sender.note(answer(3))]);
  assert.equal(await sender.flush(1000), true);
  assert.equal(most, 1);
  assert.deepEqual(requests.map(({ events }) => events.map(({ seq }) => seq)), [[1], [2, 3]]);
  assert.equal(sender.lastSavedAt, 9);
});

test("an answer stays until the server holds it, through losses and storage trouble", async () => {
  const { sender, requests } = made((json, count) => (count === 1 ? new Error("network") : count === 2 ? { status: 503, body: null } : stored(json)));
  await sender.note(answer(1));
  assert.equal(await sender.flush(2000), true);
  assert.equal(requests.length, 3);
  assert.deepEqual(requests[0], requests[2]);
});

test("the sender waits as long as the server asked, whatever the network says", async () => {
  const { sender, requests } = made((json, count) => (count === 1 ? { status: 503, body: null, retryAfterMs: 150 } : stored(json)));
  await sender.note(answer(1));
  await wait(20);
  sender.wake({ again: true });
  await wait(60);
  assert.equal(requests.length, 1);
  assert.equal(await sender.flush(1000), true);
  assert.equal(requests.length, 2);
});

test("a refused event is dropped and does not hold up the others", async () => {
  const { sender, journal, requests } = made(({ events }) =>
    events.some(({ seq }) => seq === 1)
      ? { status: 422, body: { code: "unknown-slot", refused: [{ seq: 1, why: "unknown-slot" }], acked: 0, gaps: [[1, 1]], server_now: 9, status: "running" } }
      : stored({ events }),
    { events: [event(1), event(2)] });
  assert.equal(await sender.flush(1000), true);
  assert.deepEqual(journal.waiting, []);
  assert.equal(requests.length, 1);
});

test("when the test was taken elsewhere the page stops sending and says so", async () => {
  const { sender, journal, requests } = made(() => ({ status: 409, body: { status: "moved" } }));
  let told = 0;
  sender.addEventListener("moved", () => (told += 1));
  await sender.note(answer(1));
  await wait(30);
  await sender.note(answer(2));
  await wait(30);
  assert.equal(told, 1);
  assert.equal(requests.length, 1);
  assert.equal(journal.waiting.length, 2);
});

test("events of an earlier epoch are kept aside by the server and do not stop this page", async () => {
  const { sender } = made((json) => (json.epoch < 3 ? { status: 409, body: { status: "moved" } } : stored(json)), { epoch: 3, events: [event(1)] });
  let told = 0;
  sender.addEventListener("moved", () => (told += 1));
  await sender.note(answer(2));
  assert.equal(await sender.flush(1000), true);
  assert.equal(told, 0);
});

test("an earlier epoch's events go under its own token, and are left when that has run out", async () => {
  const { sender, journal } = made((json) => (json.epoch < 3 ? { status: 401, body: { code: "bad-token" } } : stored(json)), {
    epoch: 3,
    events: [event(1, { token: "old" })],
  });
  const tokens = [];
  const plain = sender.send;
  sender.send = (url, request) => {
    tokens.push(request.headers.Authorization);
    return plain(url, request);
  };
  let told = 0;
  sender.addEventListener("sign-in", () => (told += 1));
  await sender.note(answer(2));
  assert.equal(await sender.flush(1000), true);
  assert.deepEqual(tokens, ["Attempt old", "Attempt t"]);
  assert.deepEqual([told, journal.waiting.length], [0, 0]);
});

test("a bad token stops the sending and leaves the journal", async () => {
  const { sender, journal } = made(() => ({ status: 401, body: { code: "bad-token" } }));
  let told = 0;
  sender.addEventListener("sign-in", () => (told += 1));
  await sender.note(answer(1));
  await wait(20);
  assert.equal(told, 1);
  assert.equal(journal.waiting.length, 1);
});

test("one event that the server cannot read is set aside and the rest goes through", async () => {
  const { sender, journal } = made(
    ({ events }) =>
      events.some(({ seq }) => seq === 3)
        ? { status: 400, body: { code: "bad-request" } }
        : { status: 200, body: { acked: 2, gaps: events.at(-1).seq > 3 ? [[3, 3]] : [], late: [], server_now: 9, status: "running" } },
    { events: [1, 2, 3, 4, 5].map((seq) => event(seq)) },
  );
  sender.wake();
  await wait(60);
  assert.deepEqual(journal.waiting.map(({ seq }) => seq), [3]);
  assert.equal(sender.stuckCount, 1);
  sender.stop();
});

test("late answers are told of", async () => {
  const { sender } = made(({ events }) => ({ status: 200, body: { acked: 1, gaps: [], late: events.map(({ seq }) => seq), server_now: 9, status: "running" } }));
  const late = [];
  sender.addEventListener("late", ({ detail }) => late.push(...detail.seqs));
  await sender.note(answer(1));
  await wait(20);
  assert.deepEqual(late, [1]);
});
