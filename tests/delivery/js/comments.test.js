import assert from "node:assert/strict";
import { test } from "node:test";

import { Draft, mount } from "../../../static/js/delivery/comments.js";

test("what did not go out is sent again under its key, and other words or another question are another comment", () => {
  let made = 0;
  const draft = new Draft(() => `key-${++made}`);
  const first = draft.of(3, "Two answers are right.");
  assert.deepEqual(first, { slot: 3, text: "Two answers are right.", key: "key-1" });
  assert.deepEqual(draft.of(3, "Two answers are right."), first, "tried again");
  assert.equal(draft.of(4, "Two answers are right.").key, "key-2");
  assert.equal(draft.of(4, "None is right.").key, "key-3");
});

test("after it was kept the same words are a new comment", () => {
  let made = 0;
  const draft = new Draft(() => `key-${++made}`);
  assert.equal(draft.of(1, "Unclear.").key, "key-1");
  draft.sent();
  assert.equal(draft.of(1, "Unclear.").key, "key-2");
});

test("what is written while one goes out stays in the box, and what went out leaves it", async () => {
  const text = { value: "Unclear.", focus() {} };
  const question = { value: "3", selectedIndex: 0, options: [{ textContent: "3" }] };
  const say = { textContent: "" };
  let submit;
  const form = { elements: { question, comment: text }, addEventListener: (_, heard) => (submit = heard) };
  const element = { querySelector: (asked) => (asked === "form" ? form : say) };
  const words = { sent: "Kept: %(number)s", sending: "…", notSent: "No", empty: "Write" };
  let arrived;
  mount(element, { send: () => new Promise((done) => (arrived = done)), words });
  const first = submit({ preventDefault() {} });
  text.value = "Unclear. And two are right.";
  arrived();
  await first;
  assert.equal(text.value, "Unclear. And two are right.");
  const second = submit({ preventDefault() {} });
  arrived();
  await second;
  assert.equal(text.value, "");
  const kept = say.textContent;
  await submit({ preventDefault() {} });
  assert.equal(say.textContent, kept, "pressed twice");
});

test("an empty box says what to do", async () => {
  const say = { textContent: "" };
  let submit;
  const form = {
    elements: { question: { options: [{ textContent: "1" }], selectedIndex: 0 }, comment: { value: " ", focus() {} } },
    addEventListener: (_, heard) => (submit = heard),
  };
  mount({ querySelector: (asked) => (asked === "form" ? form : say) }, { send: assert.fail, words: { empty: "Write" } });
  await submit({ preventDefault() {} });
  assert.equal(say.textContent, "Write");
});
