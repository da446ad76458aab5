import assert from "node:assert/strict";
import { test } from "node:test";

import { Api, Keys } from "../../../static/js/proctor/api.js";
import { cards, decisionOf } from "../../../static/js/proctor/flags.js";

const flag = (id, outcome = "open") => ({ id, outcome, began_at: id });

test("a card keeps its place when it is decided, and a new flag comes last", () => {
  const first = cards([], [flag(1, "dismissed"), flag(2), flag(3)]);
  assert.deepEqual(first, [2, 3, 1]);
  assert.deepEqual(cards(first, [flag(1, "dismissed"), flag(2, "confirmed"), flag(3), flag(4)]), [2, 3, 1, 4]);
  assert.deepEqual(cards([], [flag(1, "dismissed"), flag(2, "confirmed"), flag(3), flag(4)]), [3, 4, 2, 1]);
});

const KEYS = [
  [{ key: "d" }, false, true, "dismiss"], [{ key: "c" }, false, true, "confirm"], [{ key: "c", ctrlKey: true }, false, true, null],
  [{ key: "d" }, true, true, null], [{ key: "d" }, false, false, null], [{ key: "x" }, false, true, null],
];
for (const [event, typing, wanted, decision] of KEYS) {
  test(`key ${JSON.stringify(event)} ${typing} ${wanted}`, () => assert.equal(decisionOf(event, typing, wanted), decision));
}

test("a decision that had no answer is sent again with its key, and another one has another", async () => {
  const sent = [];
  const replies = [null, { status: 200, json: async () => ({ row: { id: 5 }, flag: { id: 7, outcome: "dismissed" } }) }, { status: 409, json: async () => ({ row: { id: 5 }, flag: { id: 7 } }) }];
  let made = 0;
  const api = new Api({
    urls: { flags: "/api/proctor/attempts/0/flags" },
    token: "t",
    keys: new Keys(() => `key-${(made += 1)}`),
    fetch: async (url, { body }) => {
      sent.push([url, JSON.parse(body)]);
      const reply = replies.shift();
      if (!reply) throw new TypeError("network");
      return reply;
    },
  });
  assert.equal((await api.decide(5, 7, "dismiss", "a mirror")).kind, "away");
  const done = await api.decide(5, 7, "dismiss", "a mirror");
  assert.deepEqual([done.kind, done.flag.outcome], ["done", "dismissed"]);
  assert.equal((await api.decide(5, 7, "confirm", "")).kind, "moved");
  assert.deepEqual(sent, [
    ["/api/proctor/attempts/5/flags/7", { act: "dismiss", note: "a mirror", key: "key-1" }],
    ["/api/proctor/attempts/5/flags/7", { act: "dismiss", note: "a mirror", key: "key-1" }],
    ["/api/proctor/attempts/5/flags/7", { act: "confirm", note: "", key: "key-2" }],
  ]);
});
