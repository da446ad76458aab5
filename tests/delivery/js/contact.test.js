import assert from "node:assert/strict";
import { test } from "node:test";

import { Contact, coveredAt, nextLook, reason, silentFrom } from "../../../static/js/delivery/contact.js";

const FACTS = { mode: "remote", status: "running", serverNow: 0, lastContact: 0, patienceMs: 20_000, deadline: 1_000_000, owed: false };

test("why the questions are covered", () => {
  for (const [facts, expected] of [
    [{}, null],
    [{ serverNow: 19_999 }, null],
    [{ serverNow: 20_000 }, "contact"],
    [{ serverNow: 20_000, mode: "facility" }, null],
    [{ owed: true }, "contact"],
    [{ owed: true, mode: "facility" }, null],
    [{ status: "covered" }, "contact"],
    [{ status: "paused" }, "paused"],
    [{ status: "paused", serverNow: 50_000 }, "paused"],
    [{ status: "waiting" }, "waiting"],
    [{ status: "moved" }, "moved"],
    [{ status: "submitted" }, "submitted"],
    [{ status: "ended", serverNow: 50_000 }, "ended"],
    [{ serverNow: 1_000_000, lastContact: 999_000 }, "time"],
    [{ serverNow: 1_000_000, mode: "facility" }, "time"],
    [{ serverNow: 1_000_000 }, "contact"],
  ]) {
    assert.equal(reason({ ...FACTS, ...facts }), expected, JSON.stringify(facts));
  }
});

test("page and server name the same instant", () => {
  assert.equal(silentFrom(1_766_400_000_000, 20_000), 1_766_400_020_000);
});

test("the page looks again at exactly the instant, and not while only the server can change things", () => {
  assert.equal(nextLook({ ...FACTS, serverNow: 5_000 }), 15_000);
  assert.equal(nextLook({ ...FACTS, serverNow: 5_000, deadline: 6_000 }), 1_000);
  assert.equal(nextLook({ ...FACTS, mode: "facility", deadline: null }), null);
  assert.equal(nextLook({ ...FACTS, status: "paused" }), null);
});

test("the covered instant outlives a reload, but not a clock that says it lies ahead", () => {
  assert.equal(coveredAt({ kept: 100, now: 900 }), 100);
  assert.equal(coveredAt({ kept: null, now: 900 }), 900);
  assert.equal(coveredAt({ kept: 1000, now: 900 }), 900);
});

function contact({ now = 0, kept = null, ...rest } = {}) {
  const clock = { at: now, now: () => clock.at };
  const store = { kept };
  const keep = { read: () => store.kept, write: (value) => (store.kept = value) };
  const made = new Contact({ mode: "remote", patienceMs: 20_000, clock, status: "running", deadline: 1_000_000, lastContact: now, keep, ...rest });
  const seen = [];
  for (const type of ["cover", "change", "uncover"]) made.addEventListener(type, ({ detail }) => seen.push([type, detail.why]));
  // The test moves the clock itself.
  const look = made.look.bind(made);
  made.look = () => {
    look();
    made.rest();
  };
  return { contact: made, clock, seen, store };
}

test("after a loss of contact the questions come back only once the server has resumed", () => {
  const { contact: it, clock, seen, store } = contact();
  it.look();
  clock.at = 20_000;
  it.look();
  assert.deepEqual(seen, [["cover", "contact"]]);
  assert.equal(it.coveredAt, 20_000);
  assert.equal(store.kept, 20_000);

  clock.at = 31_000;
  it.heard({ serverNow: 31_000, status: "running" });
  assert.equal(it.why, "contact", "a reply alone does not uncover");

  it.resumed();
  it.heard({ serverNow: 31_100, status: "running", deadline: 1_011_000 });
  assert.deepEqual(seen.at(-1), ["uncover", null]);
  assert.equal(store.kept, null);
});

test("an old status beside the resume does not cover once more", () => {
  const { contact: it, clock, seen } = contact({ status: "covered" });
  it.look();
  clock.at = 1_000;
  it.resumed();
  it.heard({ serverNow: 1_000, status: "running" });
  assert.deepEqual(seen, [["cover", "contact"], ["uncover", null]]);
});

test("a proctor who must look first keeps the questions covered", () => {
  const { contact: it, clock, seen } = contact();
  clock.at = 20_000;
  it.look();
  it.resumed();
  it.heard({ serverNow: 200_000, status: "waiting" });
  clock.at = 200_000;
  it.heard({ serverNow: 200_100, status: "running" });
  assert.deepEqual(seen, [["cover", "contact"], ["change", "waiting"], ["uncover", null]]);
});

test("a page that starts again after a loss starts covered, from the first instant on", () => {
  const { contact: it } = contact({ now: 90_000, kept: 20_000 });
  it.look();
  assert.equal(it.why, "contact");
  assert.equal(it.coveredAt, 20_000);
});

test("a facility is never covered for lost contact, and its time still ends", () => {
  const { contact: it, clock, seen } = contact({ mode: "facility" });
  clock.at = 900_000;
  it.look();
  assert.deepEqual(seen, []);
  clock.at = 1_000_000;
  it.look();
  assert.deepEqual(seen, [["cover", "time"]]);
});

test("time given at the last moment brings the questions back", () => {
  const { contact: it, clock, seen } = contact({ mode: "facility" });
  clock.at = 1_000_000;
  it.look();
  it.heard({ serverNow: 1_000_050, status: "running", deadline: 1_600_000 });
  assert.deepEqual(seen, [["cover", "time"], ["uncover", null]]);
});
