// The chooser's arithmetic in the browser against what testing_platform/scoring/rules.py gives; tests/scoring/test_rules.py runs the same cases.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { read } from "../../../static/js/scoring/chooser.js";
import { ceilDiv, choose, countOf, needed, percent, places, rateOf, reachesExactly, withinSem } from "../../../static/js/scoring/rules.js";

const cases = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url)));
const POLICY = { extra: 5, assurance: 9000 };
const RATES = { attend: 8500, reach: 7200, appointed: 4500, show: 10000 };

for (const { name, counts, inputs, expected } of cases) {
  test(`the same figures as the server: ${name}`, () => {
    const found = choose(counts, inputs, POLICY);
    assert.deepEqual(
      { needed: found.needed, point: found.point, assured: found.assured, assuredPassers: found.assuredPassers, short: found.short, inviteMore: found.inviteMore },
      { needed: expected.needed, point: expected.point, assured: expected.assured, assuredPassers: expected.assuredPassers, short: expected.short, inviteMore: expected.inviteMore },
    );
    const rows = found.rows.map((row) => [row.cut, row.passers, row.interviews, row.eligibles, row.appointments, row.probability]);
    assert.deepEqual(rows, expected.rows);
    for (const [cut, within] of expected.within) {
      assert.equal(withinSem(counts, cut, expected.semSquared), within);
    }
  });
}

test("a table over all cuts of 412 candidates is worked out within one frame", () => {
  const { counts, inputs } = cases[0];
  choose(counts, inputs, POLICY);
  const began = performance.now();
  for (let n = 0; n < 20; n += 1) {
    choose(counts, { ...inputs, vacancies: 40 + n }, POLICY);
  }
  assert.ok((performance.now() - began) / 20 < 16, `${(performance.now() - began) / 20} ms`);
});

test("a probability at its limit exactly reaches it, and one hair below does not", () => {
  const inputs = { vacancies: 1, listed: 0, attend: 10000, reach: 10000, appointed: 5000, show: 10000 };
  assert.equal(reachesExactly(1, inputs, { extra: 0, assurance: 5000 }), true);
  assert.equal(reachesExactly(1, { ...inputs, appointed: 4999 }, { extra: 0, assurance: 5000 }), false);
  assert.equal(choose([0, 1], inputs, { extra: 0, assurance: 5000 }).assured, 1);
});

test("a ceiling is not moved by binary fractions", () => {
  // 0.1 + 0.2 and the like: 3 / 0.1 is 30 and not 31.
  assert.equal(needed({ ...RATES, vacancies: 3, listed: 0, appointed: 1000 }, { extra: 0 }).eligibles, 30);
  assert.equal(ceilDiv(7, 7), 1);
  assert.equal(ceilDiv(8, 7), 2);
});

test("rates and counts are taken as typed or not at all", () => {
  const rates = [["85", 8500], ["85.25", 8525], ["85,5", 8550], ["100", 10000], ["0.01", 1], ["0", null], ["100.01", null], ["85.255", null], ["", null], ["1e1", null], ["-5", null]];
  for (const [typed, rate] of rates) {
    assert.equal(rateOf(typed), rate, typed);
  }
  const counted = [["0", 0], ["412", 412], ["10000", 10000], ["10001", null], ["1.5", null], ["-1", null], ["", null]];
  for (const [typed, count] of counted) {
    assert.equal(countOf(typed), count, typed);
  }
});

test("shown numbers are rounded half up", () => {
  assert.equal(places(22355n, 100n, 1), "223.6");
  assert.equal(places(20995n, 100n, 1), "210.0");
  assert.equal(places(5n, 100n, 1), "0.1");
  assert.equal(percent(263, 412), "63.8");
  assert.equal(percent(0, 0), "0");
});

test("the page waits while a box cannot be read", () => {
  const boxes = { vacancies_now: "18", vacancies_expected: "42", listed: "", attend: "85", reach: "72", appointed: "45", show: "100", capacity: "", minimum: "", cut: "67" };
  assert.deepEqual(read((name) => boxes[name], 100), { vacancies: 60, listed: 0, ...RATES, cut: 67, capacity: null, minimum: null });
  assert.equal(read((name) => ({ ...boxes, attend: "" })[name], 100), null);
  assert.equal(read((name) => ({ ...boxes, cut: "101" })[name], 100), null);
});
