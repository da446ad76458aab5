import assert from "node:assert/strict";
import { test } from "node:test";

import { best, display, isShown, secondsLeft, ServerClock, spoken, warningPassed } from "../../../static/js/delivery/clock.js";

const words = {
  hours: { one: "{count} hour", other: "{count} hours" },
  minutes: { one: "{count} minute", other: "{count} minutes" },
  seconds: { one: "{count} second", other: "{count} seconds" },
};

test("seconds left are rounded up and never below nothing", () => {
  for (const [deadline, now, expected] of [
    [10_000, 0, 10],
    [10_000, 1, 10],
    [10_000, 9_999, 1],
    [10_000, 10_000, 0],
    [10_000, 99_000, 0],
  ]) {
    assert.equal(secondsLeft(deadline, now), expected);
  }
});

test("the time is shown as minutes, and with hours when there are any", () => {
  for (const [seconds, expected] of [
    [0, "00:00"],
    [9, "00:09"],
    [545, "09:05"],
    [3599, "59:59"],
    [3600, "1:00:00"],
    [7265, "2:01:05"],
  ]) {
    assert.equal(display(seconds), expected);
  }
});

test("a warning is given once, when its minute is passed", () => {
  const at = [30, 10, 5, 1];
  for (const [before, after, expected] of [
    [1801, 1800, 30],
    [1800, 1799, null],
    [3000, 2999, null],
    [601, 600, 10],
    [61, 60, 1],
    [1, 0, null],
  ]) {
    assert.equal(warningPassed(before, after, at), expected);
  }
});

test("a computer that slept hears the lowest warning alone", () => {
  assert.equal(warningPassed(2000, 250, [30, 10, 5, 1]), 5);
});

test("a deadline that moved away and came near again warns again", () => {
  assert.equal(warningPassed(900, 600, [10]), 10);
});

test("a hidden clock comes back five minutes before the end", () => {
  assert.equal(isShown({ hidden: true, seconds: 301, returnsMinutes: 5 }), false);
  assert.equal(isShown({ hidden: true, seconds: 300, returnsMinutes: 5 }), true);
  assert.equal(isShown({ hidden: false, seconds: 4000, returnsMinutes: 5 }), true);
});

test("time is spoken in whole words", () => {
  for (const [seconds, expected] of [
    [1, "1 second"],
    [59, "59 seconds"],
    [60, "1 minute"],
    [61, "2 minutes"],
    [3600, "1 hour"],
    [3900, "1 hour 5 minutes"],
    [7200, "2 hours"],
  ]) {
    assert.equal(spoken(seconds, words), expected);
  }
});

test("the exchange with the shortest round trip sets the clock", () => {
  const slow = { sent: 0, received: 400, serverNow: 1_000_350 };
  const quick = { sent: 1000, received: 1020, serverNow: 1_001_010 };
  assert.equal(best([slow, quick]), quick);

  let steady = 2000;
  const clock = new ServerClock({ now: () => steady, wall: () => 5_000_000 + steady });
  clock.hear(slow);
  clock.hear(quick);
  assert.equal(clock.now(), 1_002_000);
  steady = 3000;
  assert.equal(clock.now(), 1_003_000);
});

test("before the first exchange the page's own server_now counts, from the page's first byte on", () => {
  const clock = new ServerClock({ now: () => 900, wall: () => 77, serverNow: 5_000, heardAt: 400 });
  assert.equal(clock.now(), 5_500);
});

test("setting the computer's clock changes nothing while exchanges go on", () => {
  let wall = 1_000_000;
  const clock = new ServerClock({ now: () => 500, wall: () => wall });
  clock.hear({ sent: 490, received: 500, serverNow: 42_000 });
  wall -= 3_600_000;
  assert.equal(clock.slept(), false);
  assert.equal(clock.now(), 42_005);
});

test("after sleep the span is taken from the wall clock until the next reply", () => {
  let wall = 1_000_000;
  let steady = 500;
  const clock = new ServerClock({ now: () => steady, wall: () => wall });
  clock.hear({ sent: 500, received: 500, serverNow: 42_000 });
  wall += 60_000; // the steady counter stood still
  assert.equal(clock.slept(), true);
  assert.equal(clock.now(), 102_000);
  assert.equal(clock.slept(), false);
  steady += 100;
  clock.hear({ sent: 560, received: 600, serverNow: 101_980 });
  assert.equal(clock.now(), 102_000);
});
