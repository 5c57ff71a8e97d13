import assert from "node:assert/strict";
import { test } from "node:test";

import { moved } from "../../fmnist_lib/lessons/play/confusions.js";

test("keys lead from cell to cell of the matrix", () => {
  assert.deepEqual(moved("ArrowRight", [3, 4], 9), [3, 5]);
  assert.deepEqual(moved("ArrowUp", [3, 4], 9), [2, 4]);
  assert.deepEqual(moved("Home", [3, 4], 9), [3, 0]);
  assert.deepEqual(moved("End", [3, 4], 9), [3, 9]);
});

test("at an edge they lead nowhere else", () => {
  assert.deepEqual(moved("ArrowLeft", [3, 0], 9), [3, 0]);
  assert.deepEqual(moved("ArrowDown", [9, 4], 9), [9, 4]);
});

test("other keys are left to the page", () => {
  assert.equal(moved("Tab", [3, 4], 9), undefined);
});
