import assert from "node:assert/strict";
import { test } from "node:test";

import { renew } from "../../../static/js/demo/doors.js";

const line = (id, textContent, className = "gate__now") => ({ id, textContent, className });
const page = (...lines) => ({
  querySelectorAll: () => lines,
  getElementById: (id) => lines.find((one) => one.id === id) ?? null,
});

test("only a sentence that changed is put in its place, with its look", () => {
  const here = page(line("now-proctor", "Nobody waits."), line("now-analyst", "Look at the key."));
  const [proctor, analyst] = here.querySelectorAll();
  analyst.mark = "untouched";
  const fresh = page(line("now-proctor", "1 candidate waits.", "gate__now gate__now--waits"), line("now-analyst", "Look at the key."));
  assert.equal(renew(here, fresh), 1);
  assert.deepEqual([proctor.textContent, proctor.className], ["1 candidate waits.", "gate__now gate__now--waits"]);
  assert.equal(analyst.mark, "untouched");
});

test("a door that is not there any more keeps what it said", () => {
  const here = page(line("now-room", "3 of 14 expected are seated."));
  assert.equal(renew(here, page()), 0);
  assert.equal(here.querySelectorAll()[0].textContent, "3 of 14 expected are seated.");
});
