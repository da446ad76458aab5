import assert from "node:assert/strict";
import { test } from "node:test";

import * as state from "../../../static/js/proctor/state.js";

const MINUTE = 60_000;

function row(id, changes = {}) {
  return {
    id, name: `Candidate ${id}`, number: String(4000 + id), state: "in_progress", status: "running", version: 1,
    started_at: 0, deadline: 75 * MINUTE, minutes_left: 75, held_since: null, link: "online", contact_at: 0, last_save_at: 0,
    waiting_since: null, answered: 0, items: 80, unread: 0, multiplier: 1, settings: [], detectors: true,
    end_proposed_by: null, admitted_at: 0, submitted_at: null, ...changes,
  };
}

const known = (...rows) => state.snapshot(state.nothing(), { version: 1, rows });
const view = (changes = {}) => ({ now: 0, news: new Set(), pictures: new Map(), live: true, ...changes });

test("a running clock counts from the deadline and a begun minute is a minute", () => {
  const running = row(1, { deadline: 10 * MINUTE });
  for (const [now, minutes, seconds] of [[0, 10, 600], [1, 10, 600], [MINUTE, 9, 540], [9 * MINUTE + 1, 1, 60], [10 * MINUTE - 1, 1, 1], [11 * MINUTE, 0, 0]]) {
    assert.equal(state.minutesLeft(running, now), minutes);
    assert.equal(state.secondsLeft(running, now), seconds);
  }
});

test("a stopped clock stands still", () => {
  const held = row(1, { state: "paused_proctor", held_since: 5 * MINUTE, minutes_left: 31 });
  assert.equal(state.minutesLeft(held, 5 * MINUTE), 31);
  assert.equal(state.minutesLeft(held, 50 * MINUTE), 31);
  assert.equal(state.minutesLeft({ ...held, minutes_left: null, deadline: 20 * MINUTE }, 50 * MINUTE), 15);
});

test("no clock before the test and after it", () => {
  assert.equal(state.minutesLeft(row(1, { state: "admitted", deadline: null }), 0), null);
  assert.equal(state.minutesLeft(row(1, { state: "submitted" }), 0), null);
});

test("a snapshot replaces the session and never takes a row back to an older version", () => {
  const after = state.snapshot(state.acted(known(row(1), row(2)), row(1, { version: 5, state: "paused_proctor" })), { version: 2, rows: [row(1)] });
  assert.deepEqual([...after.rows.keys()], [1]);
  assert.equal(after.rows.get(1).state, "paused_proctor");
});

test("a delta changes its rows, and the value before it stays as it was", () => {
  const before = known(row(1), row(2));
  const after = state.delta(before, { version: 2, rows: [row(2, { answered: 9 })] });
  assert.equal(after.rows.get(2).answered, 9);
  assert.equal(before.rows.get(2).answered, 0);
  assert.equal(after.rows.get(1), before.rows.get(1));
});

test("a delta that is not newer is not heard", () => {
  const before = known(row(1));
  assert.equal(state.delta(before, { version: 1, rows: [row(1, { answered: 9 })] }), before);
});

test("touched is news, unless a change of state already says it or the proctor is looking", () => {
  let found = state.delta(known(row(1), row(2)), { version: 2, rows: [row(2, { state: "submitted", version: 2 })], touched: [1, 2, 99] });
  assert.deepEqual([...found.news], [1]);
  found = state.looked(found, 1, 500);
  assert.deepEqual([...found.news], []);
  assert.equal(found.looked.get(1), 500);
});

const CONCERNS = [
  ["calm", {}, {}, 0, null],
  ["end proposed goes before all", { end_proposed_by: "Lee", unread: 3, link: "offline" }, {}, 6, "end"],
  ["back and waiting", { state: "awaiting_resume" }, {}, 6, "resume"],
  ["stopped by loss of contact", { state: "paused_technical" }, {}, 5, "lost"],
  ["offline while at work", { link: "offline" }, {}, 5, "lost"],
  ["offline before the test is nobody's concern", { state: "checking_in", link: "offline" }, {}, 0, null],
  ["unread message", { unread: 1, link: "degraded" }, {}, 4, "message"],
  ["weak contact", { link: "degraded" }, {}, 2, "weak"],
  ["news", {}, { news: new Set([1]) }, 1, "news"],
  ["picture stopped", {}, { now: 60_000, pictures: new Map([[1, 39_000]]) }, 3, "picture"],
  ["picture fresh", {}, { now: 60_000, pictures: new Map([[1, 41_000]]) }, 0, null],
  ["never a picture: a facility", {}, { now: 60_000 }, 0, null],
  ["pictures away is our trouble", {}, { now: 60_000, pictures: new Map([[1, 0]]), live: false }, 0, null],
  ["finished, and wrote once more", { state: "submitted", unread: 1 }, {}, 3, "message"],
  ["paused by a person", { state: "paused_proctor" }, {}, 0, null],
];
for (const [name, changes, seen, rank, code] of CONCERNS) {
  test(`concern: ${name}`, () => assert.deepEqual(state.concern(row(1, changes), view(seen)), { rank, code }));
}

test("the longest wait stands first in the queue", () => {
  const found = known(row(1, { state: "awaiting", waiting_since: 30 }), row(2), row(3, { state: "awaiting_resume", waiting_since: 10 }), row(4, { state: "awaiting", waiting_since: null }));
  assert.deepEqual(state.waiting(found).map(({ id }) => id), [3, 1, 4]);
});

test("the longest unseen counts from the start, and only among those at work", () => {
  const found = known(row(1, { started_at: 100 }), row(2, { started_at: 50 }), row(3, { started_at: 1, state: "submitted" }));
  assert.deepEqual(state.longestUnseen(found, 1000).row.id, 2);
  const later = state.looked(found, 2, 400);
  assert.deepEqual([state.longestUnseen(later, 1000).row.id, state.longestUnseen(later, 1000).since], [1, 100]);
  assert.equal(state.longestUnseen(known(), 0), null);
});

test("only a need that rose is spoken, and news is not", () => {
  const before = new Map([[1, { rank: 2 }], [2, { rank: 5 }], [3, { rank: 0 }]]);
  const after = new Map([[1, { rank: 5 }], [2, { rank: 4 }], [3, { rank: 1 }], [4, { rank: 4 }]]);
  assert.deepEqual(state.risen(before, after), [1, 4]);
});

const proctor = { id: 4, name: "Dana", lead: false };
const lead = { id: 5, name: "Lee", lead: true };
const MAY = [
  ["pause", {}, proctor, null],
  ["pause", { state: "paused_proctor" }, proctor, "stopped-already"],
  ["pause", { state: "admitted" }, proctor, "not-begun"],
  ["resume", { state: "paused_proctor" }, proctor, null],
  ["resume", { state: "awaiting_resume" }, proctor, null],
  ["resume", { state: "paused_technical" }, proctor, "resumes-itself"],
  ["resume", {}, proctor, "running"],
  ["admit", { state: "awaiting" }, proctor, null],
  ["admit", { state: "admitted" }, proctor, "not-waiting"],
  ["give_time", { state: "submitted" }, proctor, "finished"],
  ["propose_end", { end_proposed_by: "Dana", end_proposed_by_id: 4 }, lead, "end-proposed"],
  ["confirm_end", { end_proposed_by: "Dana", end_proposed_by_id: 4 }, proctor, "own-proposal"],
  ["confirm_end", { end_proposed_by: "Kim", end_proposed_by_id: 6 }, proctor, "lead-only"],
  ["confirm_end", { end_proposed_by: "Lee", end_proposed_by_id: 5 }, lead, "own-proposal"],
  ["confirm_end", { end_proposed_by: "Dana", end_proposed_by_id: 4 }, lead, null],
  ["confirm_end", {}, lead, "no-proposal"],
  ["withdraw_end", { end_proposed_by: "Dana", end_proposed_by_id: 4 }, lead, null],
];
for (const [act, changes, me, reason] of MAY) {
  test(`${me.lead ? "lead" : "proctor"}: ${act} ${JSON.stringify(changes)}`, () => assert.equal(state.permitted(row(1, changes), me)[act], reason));
}

test("flags come after every concern and before nothing, and are no concern themselves", () => {
  const flagged = row(1, { open_flags: 3, active_flags: [{ signal: "no_face", count: 0 }] });
  assert.deepEqual(state.concern(flagged, view()), { rank: 0, code: null });
  const order = [flagged, row(2, { link: "degraded" }), row(3, { link: "degraded", open_flags: 1 }), row(4), row(5, { unread: 1 })];
  order.sort((a, b) => state.precedence(b, view()) - state.precedence(a, view()));
  assert.deepEqual(order.map(({ id }) => id), [5, 3, 2, 1, 4]);
});

test("a flag is spoken of when it comes, once for each candidate, and not again while it lasts", () => {
  const with_ = (...signals) => row(1, { active_flags: signals.map((signal) => ({ signal, count: 0 })) });
  const rows = (...all) => new Map(all.map((one) => [one.id, one]));
  assert.deepEqual(state.noticed(rows(row(1)), rows(with_("no_face"), row(2))), [{ id: 1, flag: { signal: "no_face", count: 0 } }]);
  assert.deepEqual(state.noticed(rows(with_("no_face")), rows(with_("no_face"))), []);
  assert.deepEqual(state.noticed(rows(with_("no_face")), rows(with_())), []);
  assert.equal(state.noticed(rows(with_("no_face")), rows(with_("no_face", "too_dark")))[0].flag.signal, "too_dark");
});

test("undecided flags are read first, the oldest on top, then decided ones, the newest on top", () => {
  const flags = [[1, 10, "dismissed"], [2, 20, "open"], [3, 30, "confirmed"], [4, 40, "open"]].map(([id, began_at, outcome]) => ({ id, began_at, outcome }));
  assert.deepEqual(state.readingOrder(flags).map(({ id }) => id), [2, 4, 3, 1]);
});

const PLACES = [
  [0, 50, 0, 50], [50, 60, 50, 10], [50, null, 50, 50], [50, 50, 50, 1], [100, null, 99, 1], [-20, 10, 0, 10], [150, 160, 99, 1],
];
for (const [began_at, ended_at, left, width] of PLACES) {
  test(`a flag from ${began_at} to ${ended_at} of 100 has its place on the strip`, () => assert.deepEqual(state.place({ began_at, ended_at }, 0, 100), { left, width }));
}
