import assert from "node:assert/strict";
import { test } from "node:test";

import {
  asMaps, decode, placeOf, receptiveField, run, softmax, terms, untrained, upwards,
} from "../../fmnist_lib/lessons/explain/network.js";
import { grey, prepare, resized } from "../../fmnist_lib/lessons/explain/picture.js";

/** @returns {import("../../fmnist_lib/lessons/explain/network.js").Operation} */
const operation = (kind, shape, inputs, rest = {}) => ({
  kind, shape, inputs, name: "", parameters: 0, multiply_adds: 0, ...rest,
});
const numbers = (count, start = 0) => Float64Array.from({ length: count }, (_, k) =>
  Math.sin(12.9898 * (k + start)));
const convolution = (shape, from, { depth, ...rest }) => {
  const kernel = rest.kernel;
  return operation("convolution", shape, [from], {
    stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1, depth, parameters: 1, ...rest,
    weight: numbers(shape[0] * depth * kernel[0] * kernel[1]), bias: numbers(shape[0], 9),
  });
};
const pooling = (kind, shape, from, padding = 0) => operation(kind, shape, [from], {
  kernel: [2, 2], stride: [2, 2], padding: [padding, padding],
});
/** All that the page knows, one behind the other. */
const NETWORK = { operations: [
  operation("input", [1, 28, 28], []),
  convolution([4, 24, 24], 0, { depth: 1, kernel: [5, 5] }),
  pooling("max-pooling", [4, 12, 12], 1),
  operation("ReLU", [4, 12, 12], [2]),
  convolution([6, 6, 6], 3, {
    depth: 2, kernel: [3, 3], stride: [2, 2], padding: [1, 1], groups: 2,
  }),
  operation("scale", [6, 6, 6], [4], {
    weight: numbers(6, 3), bias: numbers(6, 5), parameters: 12,
  }),
  operation("add", [6, 6, 6], [4, 5]),
  pooling("mean-pooling", [6, 4, 4], 6, 1),
  operation("flatten", [96], [7]),
  operation("linear", [10], [8], { weight: numbers(960), bias: numbers(10), parameters: 970 }),
  operation("max", [6], [6]),
  operation("mean", [6], [6]),
] };
const RESULTS = run(NETWORK, numbers(784));
const near = (found, wanted) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found}, ${wanted}`);

test("numbers of 16 bits", () => {
  const bytes = Buffer.from(Uint16Array.from([
    0x0000, 0x3c00, 0xc000, 0x3555, 0x7bff, 0x0001, 0x8400, 0x2e66,
  ]).buffer);
  assert.deepEqual([...decode(bytes.toString("base64"))], [
    0, 1, -2, 0.333251953125, 65504, 2 ** -24, -(2 ** -14), 0.0999755859375,
  ]);
});

test("each number is made of the numbers that are said", () => {
  const make = {
    "max-pooling": (found) => Math.max(...found.map((term) => term.value)),
    "max": (found) => Math.max(...found.map((term) => term.value)),
    "ReLU": ([term]) => Math.max(0, term.value),
  };
  const sum = (found, each, at) => found.reduce((total, term) =>
    total + term.value * (term.weight ?? 1), each.bias?.[placeOf(each.shape, at)[0]] || 0);
  NETWORK.operations.forEach((each, number) => RESULTS[number].forEach((value, at) => {
    if (!number) return;
    const found = terms(NETWORK, RESULTS, number, at);
    const share = each.kind.startsWith("mean") ? found.length : 1;
    near((make[each.kind] || sum)(found, each, at) / share, value);
    found.forEach((term) => term.at >= 0 && near(term.value, RESULTS[term.input][term.at]));
  }));
});

test("a map that is switched off is 0, and what follows is computed with it", () => {
  const off = run(NETWORK, numbers(784), { operation: 3, map: 1 });
  assert.ok(off[3].subarray(144, 288).every((each) => each == 0));
  assert.deepEqual(off[3].subarray(0, 144), RESULTS[3].subarray(0, 144));
  assert.notDeepEqual(off[9], RESULTS[9]);
  assert.deepEqual(off[2], RESULTS[2]);
});

test("a receptive field is what can change a number, and no more", () => {
  const places = [[1, 30], [2, 5], [4, 7], [4, 35], [6, 14], [7, 0], [7, 15], [8, 15], [9, 3]];
  for (const [number, at] of places) {
    const box = receptiveField(NETWORK, number, at);
    let [top, left, bottom, right] = [28, 28, -1, -1];
    // Only sums, so that each pixel in the field counts: the largest of four hides three.
    const operations = NETWORK.operations.map((each) => (
      each.kind == "max-pooling" ? { ...each, kind: "mean-pooling" } : each.kind == "ReLU"
        ? { ...each, kind: "scale", weight: Float64Array.of(1), bias: Float64Array.of(0) } : each));
    const before = run({ operations }, new Float64Array(784))[number][at];
    for (let pixel = 0; pixel < 784; pixel++) {
      const image = new Float64Array(784);
      image[pixel] = 1;
      if (Math.abs(run({ operations }, image)[number][at] - before) < 1e-15) continue;
      const [y, x] = [Math.floor(pixel / 28), pixel % 28];
      [top, left] = [Math.min(top, y), Math.min(left, x)];
      [bottom, right] = [Math.max(bottom, y), Math.max(right, x)];
    }
    assert.deepEqual(box, { top, left, bottom, right }, `${number}, ${at}`);
  }
});

test("upwards leads to a number that this one is a part of", () => {
  for (const number of [1, 2, 3, 5, 7, 8]) {
    for (let at = 0; at < RESULTS[number].length; at += 5) {
      const up = upwards(NETWORK, RESULTS, number, at);
      const found = terms(NETWORK, RESULTS, up.operation, up.at);
      assert.ok(found.some((term) => term.input == number && term.at == at), `${number}, ${at}`);
    }
  }
});

test("an untrained network has weights as PyTorch draws them", () => {
  const before = NETWORK.operations[9].weight.slice(), blank = untrained(NETWORK).operations;
  const bound = 1 / Math.sqrt(96), { weight, bias } = blank[9];
  assert.ok([...weight, ...bias].every((each) => Math.abs(each) <= bound));
  assert.ok(Math.max(...weight) > 0.95 * bound && Math.min(...weight) < -0.95 * bound);
  near(Math.abs(blank[1].weight.reduce((a, b) => Math.max(a, Math.abs(b)))) <= 0.2 ? 1 : 0, 1);
  assert.deepEqual([...blank[5].weight], Array(6).fill(1));
  assert.deepEqual(NETWORK.operations[9].weight, before);
});

test("probabilities have the sum 1, whatever the logits", () => {
  for (const logits of [[1, 2, 3], [1000, 1001], [-1000, 0]]) {
    near(softmax(logits).reduce((a, b) => a + b), 1);
  }
  near(softmax([0, Math.log(3)])[1], 0.75);
});

test("n numbers are n maps of one", () => {
  assert.deepEqual(asMaps([7]), [7, 1, 1]);
  assert.deepEqual(placeOf([2, 3, 4], 17), [1, 1, 1]);
});

test("grey levels; what is transparent is white, or black if the rest is bright", () => {
  const dark = [10, 20, 30, 255], bright = [250, 250, 250, 255], clear = [0, 0, 0, 0];
  assert.deepEqual([...grey([...dark, ...clear])], [18, 255]);
  assert.deepEqual([...grey([...bright, ...clear])], [250, 0]);
  assert.deepEqual([...grey([...bright, ...bright])], [250, 250]);
});

test("an image of one level is none, and a speck is none", () => {
  assert.equal(prepare(new Uint8Array(100 * 80).fill(255), 100, 80), null);
  const speck = new Uint8Array(100 * 100).fill(255);
  speck[5050] = 0;
  assert.equal(prepare(speck, 100, 100), null);
  const line = new Uint8Array(100 * 100).fill(255);
  for (let x = 0; x < 90; x++) line[5000 + x] = 0;
  assert.equal(prepare(line, 100, 100), null);
});

test("a square fills the image, dark on light and light on dark", () => {
  for (const [ground, ink] of [[255, 0], [0, 255]]) {
    const levels = new Uint8Array(100 * 60).fill(ground);
    for (let y = 10; y < 50; y++) for (let x = 30; x < 70; x++) levels[y * 100 + x] = ink;
    assert.deepEqual(prepare(levels, 100, 60), new Uint8Array(784).fill(255));
  }
});

test("resampling keeps a flat image, and its size", () => {
  const small = resized(new Uint8Array(50 * 70).fill(99), 50, 70, 20, 28);
  assert.deepEqual(small, new Uint8Array(20 * 28).fill(99));
  assert.deepEqual(resized(Uint8Array.of(1, 2, 3, 4), 2, 2, 2, 2), Uint8Array.of(1, 2, 3, 4));
});
