// Computes a network, number by number, and says where each number comes from.
//
// The result of an operation is a Float64Array: its maps one behind the other, each row by row.

/**
 * @typedef {{kind: string, name: string, shape: number[], inputs: number[], weight?: Float64Array,
 *   bias?: Float64Array, kernel?: number[], stride?: number[], padding?: number[],
 *   dilation?: number[], groups?: number, depth?: number, parameters: number,
 *   multiply_adds: number}} Operation
 * @typedef {{input: number, at: number, value: number, weight?: number, map?: number}} Term
 */

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
/** Shape of a result as [maps, rows, columns]; n numbers are n maps of one. */
export const asMaps = (shape) => (shape.length == 3 ? shape : [shape[0], 1, 1]);
export const places = (shape) => product(asMaps(shape).slice(1));

const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));

/** Numbers of 16 bits (IEEE 754 binary16), little-endian, as base64. */
export function decode(text) {
  return Float64Array.from(new Uint16Array(bytesOf(text).buffer), (bits) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    return bits >> 15 ? -size : size;
  });
}

/** The network that Python wrote, with its weights as numbers. */
export function read(written) {
  const numbers = decode(written.weights);
  let start = 0;
  const take = (count) => numbers.subarray(start, start += count);
  const operations = written.operations.map(({ weights, biases, ...each }) => ({
    ...each, weight: weights ? take(weights) : null, bias: biases ? take(biases) : null,
  }));
  const images = written.images.map(({ label, pixels }) => ({ label, pixels: bytesOf(pixels) }));
  return { ...written, operations, images };
}

/** Random numbers from 0 to 1, the same each time (mulberry32, a public-domain generator). */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same with weights as PyTorch draws them for a new network: training has not begun. */
export function untrained(network, random = generator(0)) {
  return { ...network, operations: network.operations.map((each) => {
    if (!["convolution", "linear"].includes(each.kind)) {
      return each.parameters ? { ...each, weight: each.weight.map(() => 1),
                              bias: each.bias.map(() => 0) } : each;
    }
    const bound = 1 / Math.sqrt(each.weight.length / asMaps(each.shape)[0]);
    const draw = () => bound * (2 * random() - 1);
    return { ...each, weight: each.weight.map(draw), bias: each.bias?.map(draw) };
  }) };
}

/** Grey levels of an image, 0 to 255, as the network takes them. */
export const asInput = ({ mean, std }, pixels) =>
  Float64Array.from(pixels, (each) => (each - mean) / std);

/**
 * The results of all operations for one image.
 * @param {{operations: Operation[]}} network
 * @param {ArrayLike<number>} input as `asInput` gives it
 * @param {null | {operation: number, map: number}} off a map of which each number is made 0
 */
export function run({ operations }, input, off = null) {
  const results = [];
  operations.forEach((each, number) => {
    const [maps, rows, columns] = asMaps(each.shape);
    const out = new Float64Array(maps * rows * columns);
    if (each.kind == "input") out.set(input);
    else COMPUTE[each.kind](each, out, each.inputs.map((at) => results[at]), operations);
    if (off?.operation == number) {
      out.fill(0, off.map * rows * columns, (off.map + 1) * rows * columns);
    }
    results.push(out);
  });
  return results;
}

const COMPUTE = {
  "convolution": (each, out, [x], operations) => {
    const [maps, rows, columns] = each.shape, { stride, dilation, depth, kernel } = each;
    const [framed, height, width] = frame(each, x, operations, 0);
    for (let map = 0, at = 0; map < maps; map++) {
      const first = Math.floor(map / (maps / each.groups)) * depth;
      out.fill(each.bias ? each.bias[map] : 0, map * rows * columns, (map + 1) * rows * columns);
      for (let channel = first; channel < first + depth; channel++) {
        for (let down = 0; down < kernel[0]; down++) {
          for (let right = 0; right < kernel[1]; right++) {
            const weight = each.weight[at++];
            for (let row = 0; row < rows; row++) {
              const from = (channel * height + row * stride[0] + down * dilation[0]) * width
                + right * dilation[1];
              const to = (map * rows + row) * columns;
              for (let column = 0; column < columns; column++) {
                out[to + column] += weight * framed[from + column * stride[1]];
              }
            }
          }
        }
      }
    }
  },
  "linear": (each, out, [x]) => {
    for (let to = 0, at = 0; to < out.length; to++) {
      let sum = each.bias ? each.bias[to] : 0;
      for (let from = 0; from < x.length; from++) sum += each.weight[at++] * x[from];
      out[to] = sum;
    }
  },
  "scale": (each, out, [x]) => out.forEach((_, at) => {
    const map = each.weight.length == 1 ? 0 : Math.floor(at / places(each.shape));
    out[at] = x[at] * each.weight[map] + each.bias[map];
  }),
  "ReLU": (each, out, [x]) => out.forEach((_, at) => { out[at] = Math.max(0, x[at]); }),
  "add": (each, out, [x, y]) => out.forEach((_, at) => { out[at] = x[at] + y[at]; }),
  "flatten": (each, out, [x]) => out.set(x),
  "max-pooling": (each, out, [x], operations) => pool(each, out, x, operations, -Infinity),
  "mean-pooling": (each, out, [x], operations) => pool(each, out, x, operations, 0),
  "max": (each, out, [x]) => overPlaces(out, x, (map) => map.reduce((a, b) => Math.max(a, b))),
  "mean": (each, out, [x]) =>
    overPlaces(out, x, (map) => map.reduce((a, b) => a + b) / map.length),
};

function overPlaces(out, x, summary) {
  const size = x.length / out.length;
  out.forEach((_, map) => { out[map] = summary(x.subarray(map * size, (map + 1) * size)); });
}

function pool(each, out, x, operations, around) {
  const [maps, rows, columns] = each.shape, { kernel, stride } = each;
  const [framed, height, width] = frame(each, x, operations, around);
  const largest = each.kind == "max-pooling", share = 1 / product(kernel);
  for (let map = 0, at = 0; map < maps; map++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, at++) {
        let result = around;
        const from = (map * height + row * stride[0]) * width + column * stride[1];
        for (let down = 0; down < kernel[0]; down++) {
          for (let right = 0; right < kernel[1]; right++) {
            const value = framed[from + down * width + right];
            if (!largest) result += share * value; else if (value > result) result = value;
          }
        }
        out[at] = result;
      }
    }
  }
}

/** The maps that an operation takes, with its padding around each; and their height and width. */
function frame({ inputs, padding: [above, left] }, x, operations, value) {
  const [maps, rows, columns] = operations[inputs[0]].shape;
  if (!above && !left) return [x, rows, columns];
  const height = rows + 2 * above, width = columns + 2 * left;
  const framed = new Float64Array(maps * height * width).fill(value);
  for (let line = 0; line < maps * rows; line++) {
    const row = Math.floor(line / rows) * height + above + line % rows;
    framed.set(x.subarray(line * columns, (line + 1) * columns), row * width + left);
  }
  return [framed, height, width];
}

export function softmax(logits) {
  const most = Math.max(...logits), powers = Array.from(logits, (each) => Math.exp(each - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((each) => each / sum);
}

// ------------------------------------------------------------------- where a number comes from

/** Map, row and column of a number in a result. */
export function placeOf(shape, at) {
  const [, rows, columns] = asMaps(shape);
  return [Math.floor(at / (rows * columns)), Math.floor(at / columns) % rows, at % columns];
}

/**
 * The numbers that one number is made of; outside of a map there are none, as padding is 0.
 * @returns {Term[]}
 */
export function terms(network, results, number, at) {
  const each = network.operations[number], [map, row, column] = placeOf(each.shape, at);
  const term = (input, from, weight = undefined) => ({
    input, at: from, value: results[input][from], weight,
  });
  const [input] = each.inputs, found = [];
  if (each.kind == "input") return [];
  if (each.kind == "linear") {
    const count = results[input].length;
    return Array.from({ length: count }, (_, k) => term(input, k, each.weight[at * count + k]));
  }
  if (each.kind == "scale") {
    return [term(input, at, each.weight[each.weight.length == 1 ? 0 : map])];
  }
  if (each.kind == "max" || each.kind == "mean") {
    const size = results[input].length / results[number].length;
    return Array.from({ length: size }, (_, k) => term(input, at * size + k));
  }
  if (!each.kernel) return each.inputs.map((from) => term(from, at));
  const [, height, width] = network.operations[input].shape;
  const { kernel, stride, padding, depth = 1 } = each, [fall, aside] = each.dilation || [1, 1];
  const first = each.weight ? Math.floor(map / (each.shape[0] / each.groups)) * depth : map;
  for (let channel = 0; channel < depth; channel++) {
    for (let down = 0; down < kernel[0]; down++) {
      for (let right = 0; right < kernel[1]; right++) {
        const y = row * stride[0] - padding[0] + down * fall;
        const x = column * stride[1] - padding[1] + right * aside;
        const weight = each.weight?.[((map * depth + channel) * kernel[0] + down) * kernel[1]
          + right];
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        const from = ((first + channel) * height + y) * width + x;
        found.push(inside ? term(input, from, weight) : { input, at: -1, value: 0, weight });
      }
    }
  }
  return found;
}

/** The pixels that a number depends on, its receptive field: first and last row and column. */
export function receptiveField({ operations }, number, at) {
  while (operations[number].kind == "flatten") [number] = operations[number].inputs;
  const boxes = [], [, row, column] = placeOf(operations[number].shape, at);
  boxes[number] = { top: row, left: column, bottom: row, right: column };
  for (let place = number; place > 0; place--) {
    const each = operations[place], box = boxes[place];
    const { kernel = [1, 1], stride = [1, 1], padding = [0, 0], dilation = [1, 1] } = each;
    for (const input of box ? each.inputs : []) {
      const [, rows, columns] = asMaps(operations[input].shape);
      const old = boxes[input] || { top: rows, left: columns, bottom: 0, right: 0 };
      const all = ["linear", "flatten", "max", "mean"].includes(each.kind);
      const start = (first, side) => (all ? 0 : Math.max(0, first * stride[side] - padding[side]));
      const end = (last, side, size) => Math.min(size - 1, all ? size : last * stride[side]
        - padding[side] + (kernel[side] - 1) * dilation[side]);
      boxes[input] = {
        top: Math.min(old.top, start(box.top, 0)), left: Math.min(old.left, start(box.left, 1)),
        bottom: Math.max(old.bottom, end(box.bottom, 0, rows)),
        right: Math.max(old.right, end(box.right, 1, columns)),
      };
    }
  }
  return boxes[0];
}

/** A number of the next operation that this one is a part of: where its weight is largest. */
export function upwards(network, results, number, at) {
  const next = network.operations.findIndex(({ inputs }) => inputs.includes(number));
  const each = network.operations[next], [maps, rows, columns] = asMaps(each.shape);
  if (each.kind == "flatten") return { operation: next, at };
  const [map, ...from] = placeOf(network.operations[number].shape, at);
  const { kernel = [1, 1], stride = [1, 1], padding = [0, 0], dilation = [1, 1] } = each;
  const [row, column] = from.map((place, side) => {  // where it lies in the middle of the kernel
    const start = place + padding[side] - (kernel[side] - 1) * dilation[side] / 2;
    return Math.min([rows, columns][side] - 1, Math.max(0, Math.round(start / stride[side])));
  });
  const mixes = ["convolution", "linear"].includes(each.kind);
  let best = { weight: -1, operation: next, at: (map * rows + row) * columns + column };
  for (let to = 0; mixes && to < maps; to++) {
    const there = (to * rows + row) * columns + column;
    const found = terms(network, results, next, there).find((term) => term.at == at);
    const weight = found ? Math.abs(found.weight) : -1;
    if (weight > best.weight) best = { weight, operation: next, at: there };
  }
  return best;
}
