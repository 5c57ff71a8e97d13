// From a photo or a drawing to an image as Fashion-MNIST has them: the steps of lessons/photo.py,
// with the same numbers.

const SIDE = 28, BACKGROUND = 40;  // grey levels from the background that still count as it
const SPECK = 0.05;  // of the longer side; what is smaller is dust

// Transparent is white, or black if the rest is bright.
/** Colours [R, G, B, A, R, …] as grey levels. */
export function grey(colours) {
  const count = colours.length / 4, found = new Uint8Array(count);
  const level = (r, g, b) => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;  // as Pillow's
  let seen = 0, sum = 0;
  for (let at = 0; at < count; at++) {
    if (colours[4 * at + 3] <= 127) continue;
    seen++;
    sum += level(colours[4 * at], colours[4 * at + 1], colours[4 * at + 2]);
  }
  const ground = seen && seen < count && sum / seen > 127 ? 0 : 255;
  for (let at = 0; at < count; at++) {
    const share = colours[4 * at + 3] / 255;
    const [r, g, b] = [0, 1, 2].map((k) => Math.round(colours[4 * at + k] * share
      + ground * (1 - share)));
    found[at] = level(r, g, b);
  }
  return found;
}

/**
 * Grey levels [height, width] of a picture as an image of 28 × 28, 0 as background.
 * @returns {null | Uint8Array} null where nothing stands out from the background
 */
export function prepare(levels, width, height) {
  const border = [];
  for (let x = 0; x < width; x++) border.push(levels[x], levels[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) border.push(levels[y * width], levels[(y + 1) * width - 1]);
  border.sort((a, b) => a - b);
  const middle = border.length / 2;  // two of each, so their number is even
  const background = Math.floor((border[middle - 1] + border[middle]) / 2);
  const outstanding = levels.reduce((sum, each) =>
    sum + (Math.abs(each - background) > BACKGROUND ? each - background : 0), 0);
  const invert = outstanding ? outstanding < 0 : background > 127;
  const level = invert ? 255 - background : background;
  const clean = levels.map((each) => {
    const value = invert ? 255 - each : each;
    return Math.abs(value - level) <= BACKGROUND ? 0 : value;
  });
  let [top, left, bottom, right] = [height, width, -1, -1];
  clean.forEach((each, at) => {
    if (!each) return;
    const x = at % width, y = (at - x) / width;
    [top, bottom] = [Math.min(top, y), y];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
  });
  const tall = bottom - top + 1, wide = right - left + 1;
  const longest = Math.max(tall, wide), shortest = Math.min(tall, wide);
  const tooSmall = longest < SPECK * Math.max(width, height) || 2 * SIDE * shortest < longest;
  if (bottom < 0 || tooSmall) return null;
  const part = new Uint8Array(tall * wide);
  part.forEach((_, at) => {
    part[at] = clean[(top + Math.floor(at / wide)) * width + left + at % wide];
  });
  const size = (side) => Math.max(1, roundToEven(SIDE * side / longest));
  const small = resized(part, wide, tall, size(wide), size(tall));
  const result = new Uint8Array(SIDE * SIDE);
  const aside = Math.floor((SIDE - size(wide)) / 2), down = Math.floor((SIDE - size(tall)) / 2);
  small.forEach((each, at) => {
    result[(down + Math.floor(at / size(wide))) * SIDE + aside + at % size(wide)] = each;
  });
  return Math.max(...result) > BACKGROUND ? result : null;
}

const roundToEven = (value) => {
  const low = Math.floor(value);
  return value - low == 0.5 ? low + low % 2 : Math.round(value);
};

/** Lanczos resampling, along rows and columns and rounded in between, in Pillow's order. */
export function resized(levels, width, height, toWidth, toHeight) {
  if (height > 2 * width) {
    const turned = along(transposed(levels, width, height), height, width, toHeight);
    return along(transposed(turned, toHeight, width), width, toHeight, toWidth);
  }
  const turned = transposed(along(levels, width, height, toWidth), toWidth, height);
  return transposed(along(turned, height, toWidth, toHeight), toHeight, toWidth);
}

const transposed = (levels, width, height) => levels.map((_, at) =>
  levels[(at % height) * width + Math.floor(at / height)]);

function along(levels, width, height, toWidth) {
  if (width == toWidth) return levels;
  const found = new Uint8Array(toWidth * height), scale = width / toWidth;
  const stretch = Math.max(1, scale), support = 3 * stretch;
  const lanczos = (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);
  for (let to = 0; to < toWidth; to++) {
    const centre = (to + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const last = Math.min(width, Math.floor(centre + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, k) =>
      lanczos((first + k - centre + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b);
    for (let row = 0; row < height; row++) {
      let value = 0;
      weights.forEach((each, k) => { value += each * levels[row * width + first + k]; });
      found[row * toWidth + to] = Math.min(255, Math.max(0, Math.floor(value / sum + 0.5)));
    }
  }
  return found;
}

const sinc = (x) => (x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1);
