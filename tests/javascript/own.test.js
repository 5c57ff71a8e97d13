import assert from "node:assert/strict";
import { test } from "node:test";

import { cutOut, fitted, moved, turned } from "../../fmnist_lib/lessons/play/own.js";

const near = (found, wanted) => found.forEach((each, at) => {
  assert.ok(Math.abs(each - wanted[at]) < 1e-12, `${found} is not ${wanted}`);
});

test("a photo lies in the middle of the field, its longer side as long as that", () => {
  assert.deepEqual(fitted(1000, 500), { left: 0, top: 56, width: 224, height: 112 });
  assert.deepEqual(fitted(30, 40), { left: 28, top: 0, width: 168, height: 224 });
  assert.deepEqual(fitted(7, 7), { left: 0, top: 0, width: 224, height: 224 });
});

test("what is cut out is the part between two corners, in whichever order", () => {
  const box = fitted(1000, 500);
  const corners = [[56, 84], [168, 140]];
  for (const order of [corners, [...corners].reverse(), [[56, 140], [168, 84]]]) {
    near(cutOut(order, box), [0.25, 0.25, 0.75, 0.75]);
  }
});

test("what is marked beside the photo ends at its edge", () => {
  near(cutOut([[-9, 0], [112, 500]], fitted(1000, 500)), [0, 0, 0.5, 1]);
});

test("a click, or a part that is too small to be meant, cuts out nothing", () => {
  const box = fitted(100, 100);
  assert.equal(cutOut([[50, 50], [50, 50]], box), undefined);
  assert.equal(cutOut([[50, 50], [150, 57]], box), undefined);
  assert.equal(cutOut([[0, 0], [100, 50]], fitted(1000, 500)), undefined);  // above the photo
  assert.ok(cutOut([[50, 50], [59, 59]], box));
});

test("a part is the same after four turns, and turns clockwise", () => {
  near(turned([0, 0, 0.5, 0.25]), [0.75, 0, 1, 0.5]);  // upper left, then upper right
  const crop = [0.1, 0.2, 0.7, 0.4];
  near(turned(turned(turned(turned(crop)))), crop);
});

test("the arrow keys move the pen, and not out of the field", () => {
  assert.deepEqual(moved("ArrowLeft", [112, 112]), [104, 112]);
  assert.deepEqual(moved("ArrowDown", [112, 112]), [112, 120]);
  assert.deepEqual(moved("ArrowUp", [112, 3]), [112, 0]);
  assert.deepEqual(moved("ArrowRight", [224, 112]), [224, 112]);
});
