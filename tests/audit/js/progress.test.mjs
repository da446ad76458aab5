import assert from "node:assert/strict";
import { test } from "node:test";

import { done, mount } from "../../../static/js/audit/progress.js";

const READING = "<p>Reading</p><progress></progress>";

function page(replies) {
  const said = { shown: [], loads: 0, waits: [] };
  const element = { dataset: { url: "/auditor/check/progress" }, setAttribute() {}, replaceChildren: (...nodes) => said.shown.push(nodes.join("")) };
  globalThis.DOMParser = class {
    parseFromString(html) {
      return { body: { childNodes: [html] } };
    }
  };
  mount(element, {
    get: async () => {
      const reply = replies.shift();
      if (reply instanceof Error) throw reply;
      return { ok: true, status: 200, redirected: false, text: async () => reply, ...(typeof reply === "object" ? reply : {}) };
    },
    wait: (act) => said.waits.push(act),
    load: () => (said.loads += 1),
  });
  said.next = () => said.waits.shift()();
  return said;
}

test("a check without a bar is done", () => {
  assert.equal(done(READING), false);
  assert.equal(done("<p>Holds</p>"), true);
});

test("it shows how far the check is, then loads the page once and asks no more", async () => {
  const said = page([READING, READING, "<p>Holds</p>"]);
  for (let n = 0; n < 3; n += 1) await said.next();
  assert.deepEqual(said.shown, [READING, READING]);
  assert.equal(said.loads, 1);
  assert.equal(said.waits.length, 0);
});

test("a lost line and a busy server are asked again", async () => {
  const said = page([new Error("away"), { ok: false, status: 503 }, READING]);
  for (let n = 0; n < 3; n += 1) await said.next();
  assert.deepEqual(said.shown, [READING]);
  assert.equal(said.loads, 0);
});

test("who is signed out is shown so", async () => {
  const said = page([{ redirected: true }]);
  await said.next();
  assert.equal(said.loads, 1);
});
