import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf } from "../../../static/js/proctor/room.js";

test("the filter stands in the address, and an empty field stays out of it", () => {
  assert.equal(addressOf("/proctor/rooms/2", [["q", ""], ["show", ""]]), "/proctor/rooms/2");
  assert.equal(addressOf("/proctor/rooms/2", [["q", "ana b"], ["show", ""]]), "/proctor/rooms/2?q=ana+b");
  assert.equal(addressOf("/proctor/rooms/2", [["q", ""], ["show", "seated"]]), "/proctor/rooms/2?show=seated");
});
