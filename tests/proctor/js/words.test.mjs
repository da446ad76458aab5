import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const scripts = new URL("../../../static/js/proctor/", import.meta.url);
const template = readFileSync(new URL("../../../templates/proctor/console_words.html", import.meta.url), "utf8");

/** The template's dictionary is JSON but for its calls of _(). */
const sentences = JSON.parse(/set sentences = ([\s\S]*?) %\}/.exec(template)[1].replace(/_\(("(?:[^"\\]|\\.)*")\)/g, "$1"));

const found = (name) => name.split(".").reduce((part, step) => part?.[step], sentences);

test("every sentence that the scripts name is in the template", () => {
  for (const file of readdirSync(scripts)) {
    const script = readFileSync(new URL(file, scripts), "utf8");
    for (const [, name] of script.matchAll(/\bsay\("([^"]+)"/g)) assert.ok(found(name), `${file}: ${name}`);
  }
});

test("every reason, concern and act has its words", () => {
  const state = readFileSync(new URL("state.js", scripts), "utf8");
  for (const [, code] of state.matchAll(/code: "([a-z-]+)"/g)) assert.ok(found(`concern.${code}`), code);
  for (const reason of ["finished", "not-begun", "not-waiting", "stopped-already", "running", "resumes-itself", "end-proposed", "no-proposal", "own-proposal", "lead-only", "not-here", "empty"]) {
    assert.ok(found(`why-not.${reason}`), reason);
  }
  for (const act of ["return_to_step", "pause", "resume", "give_time", "propose_end", "confirm_end", "withdraw_end"]) {
    for (const words of ["title", "explanation", "send"]) assert.ok(found(`act.${act}.${words}`), `${act}.${words}`);
    assert.ok(found(`done.${act}`), act);
  }
  for (const kind of ["moved", "refused", "forbidden", "signed-out", "away", "fault"]) assert.ok(found(`refusal.${kind}`), kind);
});
