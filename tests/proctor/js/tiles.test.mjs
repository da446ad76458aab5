import assert from "node:assert/strict";
import { test } from "node:test";

import { columns, extended, flagLine, leftAlone, matches, moved, paged, worstFirst } from "../../../static/js/proctor/tiles.js";

const row = (id, changes = {}) => ({ id, name: `Candidate ${id}`, number: String(4000 + id), state: "in_progress", ...changes });
const ids = (rows) => rows.map(({ id }) => id);

test("most in need first, then at work, before, finished; then by name", () => {
  const rows = [row(1, { state: "submitted" }), row(2, { state: "admitted" }), row(3, { name: "Zoe" }), row(4, { name: "Ana" }), row(5)];
  assert.deepEqual(ids(worstFirst(rows, ({ id }) => (id === 5 ? 4 : 0))), [5, 4, 3, 2, 1]);
});

test("between sortings the order stays, who is new comes last, who left keeps the place", () => {
  const order = [3, 1, 2];
  assert.deepEqual(extended(order, [2, 4, 1, 3]), [3, 1, 2, 4]);
  assert.equal(extended(order, [1]), order);
});

test("the grid sorts itself only after ten seconds alone", () => {
  assert.equal(leftAlone(20_000, 10_001, false), false);
  assert.equal(leftAlone(20_000, 10_000, false), true);
  assert.equal(leftAlone(90_000, 0, true), false);
});

const SHOWN = [
  ["all", "", {}, false, true],
  ["all", "", { state: "awaiting" }, true, false],
  ["look", "", {}, false, false],
  ["look", "", {}, true, true],
  ["paused", "", { state: "paused_technical" }, false, true],
  ["paused", "", { state: "awaiting_resume" }, false, true],
  ["submitted", "", { state: "terminated" }, false, true],
  ["in_progress", "", { state: "admitted" }, false, false],
  ["all", " munoz ", { name: "José Muñoz" }, false, true],
  ["all", "4001", {}, false, true],
  ["all", "zhang", {}, false, false],
  ["flags", "", {}, true, false],
  ["flags", "", { open_flags: 2 }, false, true],
  ["flags", "", { open_flags: 2, state: "submitted" }, false, true],
  ["look", "", { open_flags: 2 }, false, false],
];
for (const [filter, query, changes, look, shown] of SHOWN) {
  test(`filter ${filter} "${query}" ${JSON.stringify(changes)}`, () => assert.equal(matches(row(1, changes), filter, query, look), shown));
}

test("pages hold to what there is", () => {
  const order = [...Array(31).keys()];
  assert.deepEqual(paged(order, 25, 1).ids, [25, 26, 27, 28, 29, 30]);
  assert.equal(paged(order, 25, 7).page, 1);
  assert.deepEqual(paged([], 4, 0), { page: 0, pages: 1, ids: [] });
});

test("tiles are as large as they can be while all are in sight", () => {
  for (const [count, width, height] of [[4, 1200, 700], [9, 1200, 700], [16, 1500, 900], [25, 1580, 920], [36, 1580, 920]]) {
    const found = columns(count, width, height);
    const rows = Math.ceil(count / found.columns);
    assert.ok(found.tile >= 130, `${count} tiles of ${found.tile}`);
    assert.ok(rows * ((found.tile * 3) / 4 + 62) + 6 * (rows - 1) <= height);
    assert.ok(found.columns * found.tile + 6 * (found.columns - 1) <= width);
  }
});

test("where they cannot all be in sight the least width decides and the grid scrolls", () => {
  assert.deepEqual(columns(36, 660, 400), { columns: 4, tile: 0 });
  assert.deepEqual(columns(0, 660, 400).columns, 1);
  assert.deepEqual(columns(5, 100, 400), { columns: 1, tile: 0 });
});

const MOVES = [
  [0, "ArrowRight", 1], [0, "ArrowLeft", 0], [0, "ArrowDown", 4], [1, "ArrowUp", 1], [6, "ArrowUp", 2],
  [9, "ArrowDown", 9], [9, "ArrowRight", 9], [5, "Home", 0], [5, "End", 9], [5, "a", null],
];
for (const [at, key, to] of MOVES) {
  test(`from tile ${at}, ${key}`, () => assert.equal(moved(at, key, 4, 10), to));
}

const say = (name, { count }) => `${count} ${name}`;
const WORDS = { no_face: "nobody seen", too_dark: "picture dark", other: "something" };
const LINES = [
  [{}, ""],
  [{ open_flags: 0, active_flags: [] }, ""],
  [{ open_flags: 2, active_flags: [] }, "2 flag.count"],
  [{ open_flags: 1, active_flags: [{ signal: "no_face", count: 0 }] }, "Nobody seen"],
  [{ open_flags: 3, active_flags: [{ signal: "multiple_faces", count: 2 }] }, "2 flag.people · 3 flag.count"],
  [{ open_flags: 2, active_flags: [{ signal: "no_face", count: 0 }, { signal: "too_dark", count: 0 }] }, "Nobody seen · Picture dark"],
  [{ open_flags: 1, active_flags: [{ signal: "of a later version", count: 0 }] }, "Something"],
];
for (const [flags, line] of LINES) {
  test(`a tile says "${line}"`, () => assert.equal(flagLine(say, WORDS, row(1, flags)), line));
}
