import assert from "node:assert/strict";
import { test } from "node:test";

import { tooLarge } from "../../../static/js/itembank/package.js";

for (const [sizes, expected] of [
  [[], false],
  [[10], false],
  [[11], true],
  [[1, 11], true],
]) {
  test(`of ${sizes} one is above 10: ${expected}`, () => {
    assert.equal(tooLarge(sizes.map((size) => ({ size })), 10), expected);
  });
}
