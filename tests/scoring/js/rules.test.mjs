// The chooser's arithmetic in the browser against what testing_platform/scoring/rules.py gives; tests/scoring/test_rules.py runs the same cases.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { read, readOthers } from "../../../static/js/scoring/chooser.js";
import { ceilDiv, choose, countOf, joined, needed, percent, places, rateOf, rateOfCases, reachesExactly, withinSem } from "../../../static/js/scoring/rules.js";

const cases = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url)));
const POLICY = { extra: 5, assurance: 9000, prior: [5000, 5000] };
const NO_CASES = { attend: null, reach: null, appointed: null };
const RATES = { attend: 8500, reach: 7200, appointed: 4500, show: 10000 };

for (const { name, counts, inputs, expected } of cases) {
  test(`the same figures as the server: ${name}`, () => {
    const found = choose(counts, inputs, POLICY);
    assert.deepEqual(
      { needed: found.needed, point: found.point, assured: found.assured, assuredCertain: found.assuredCertain, assuredPassers: found.assuredPassers, short: found.short, inviteMore: found.inviteMore },
      { needed: expected.needed, point: expected.point, assured: expected.assured, assuredCertain: expected.assuredCertain, assuredPassers: expected.assuredPassers, short: expected.short, inviteMore: expected.inviteMore },
    );
    const rows = found.rows.map((row) => [row.cut, row.passers, row.interviews, row.eligibles, row.appointments, row.probability, row.certain]);
    assert.deepEqual(rows, expected.rows);
    for (const [name, cases] of Object.entries(inputs.past).filter(([, cases]) => cases)) {
      assert.equal(rateOfCases(cases, POLICY.prior), inputs[name]);
    }
    for (const [cut, within] of expected.within) {
      assert.equal(withinSem(counts, cut, expected.semSquared), within);
    }
  });
}

const together = JSON.parse(readFileSync(new URL("./together.json", import.meta.url)));
for (const { name, here, most, groups, others, inputs, expected } of together) {
  test(`the same count as the server: ${name}`, () => {
    const { supply, fixed, here: own, others: there, twice } = joined(here, most, groups, others);
    assert.deepEqual(
      { supply, fixed, own, there, twice },
      { supply: expected.supply, fixed: expected.fixed, own: expected.here, there: expected.others, twice: expected.twice },
    );
    const found = choose(supply, inputs, POLICY, fixed);
    assert.deepEqual([found.point, found.assured], [expected.point, expected.assured]);
    assert.deepEqual(found.rows.map((row) => [row.passers, row.atCut, row.probability]), expected.rows);
  });
}

test("of a decided administration it has to be said how many have had their interview", () => {
  const { groups } = together[0];
  const page = { groups, others: { 1: { cuts: [0, 1] }, 3: { cuts: null } } };
  const passed = groups.reduce((sum, { counts }) => sum + (counts[3]?.[1] ?? 0), 0);
  const said = (ticked, settled) => readOthers(page, ticked, () => settled);
  assert.deepEqual(said([1, 3], String(passed)), { 1: { cuts: [0, 1], settled: 0 }, 3: { cuts: null, settled: passed } });
  assert.equal(said([3], ""), null);
  assert.equal(said([3], String(passed + 1)), null);
  assert.deepEqual(said([], ""), {});
});

for (const name of ["case A", "all from past cases"]) test(`a table over all cuts of 412 candidates is worked out within one frame: ${name}`, () => {
  const { counts, inputs } = cases.find((one) => one.name === name);
  choose(counts, inputs, POLICY);
  const began = performance.now();
  for (let n = 0; n < 20; n += 1) {
    choose(counts, { ...inputs, vacancies: 40 + n }, POLICY);
  }
  assert.ok((performance.now() - began) / 20 < 16, `${(performance.now() - began) / 20} ms`);
});

test("a probability at its limit exactly reaches it, and one hair below does not", () => {
  const inputs = { vacancies: 1, listed: 0, attend: 10000, reach: 10000, appointed: 5000, show: 10000, past: NO_CASES };
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
  const boxes = { vacancies_now: "18", vacancies_expected: "42", listed: "", attend: "85", reach: "72", appointed: "45", show: "100", capacity: "", minimum: "", cut: "67", attend_did: "", attend_of: "", reach_did: "", reach_of: "", appointed_did: "", appointed_of: "" };
  const said = (more) => read((name) => ({ ...boxes, ...more })[name], 100, POLICY.prior);
  assert.deepEqual(said({}), { vacancies: 60, listed: 0, ...RATES, cut: 67, capacity: null, minimum: null, past: NO_CASES });
  assert.equal(said({ attend: "" }), null);
  assert.equal(said({ cut: "101" }), null);
});

test("a rate with past cases is theirs", () => {
  const boxes = { vacancies_now: "1", vacancies_expected: "1", listed: "", attend: "85", reach: "72", appointed: "45", show: "100", capacity: "", minimum: "", cut: "6", attend_did: "", attend_of: "", reach_did: "123", reach_of: "170", appointed_did: "", appointed_of: "" };
  const said = (more) => read((name) => ({ ...boxes, ...more })[name], 100, POLICY.prior);
  assert.deepEqual(said({}).past, { ...NO_CASES, reach: [123, 170] });
  assert.equal(said({}).reach, 7222);
  // Half of it is not yet said, or more did than there were.
  assert.equal(said({ reach_of: "" }), null);
  assert.equal(said({ reach_of: "100" }), null);
  assert.deepEqual(said({ reach_did: "0", reach_of: "0" }).past, NO_CASES);
});
