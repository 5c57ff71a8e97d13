// The page: it shows what `network.js` computes, and is played with by mouse, finger and keys.

import { MOVES, part, startDrawing } from "./drawing.js";
import {
  asInput, asMaps, placeOf, read, receptiveField, run, softmax, terms, untrained, upwards,
} from "./network.js";
import { colour, explanation, format, isOff, make } from "./number.js";
import { TOURS } from "./tours.js";

const PIXEL = 8;  // sides of a pixel of the image on the page
const SQUARE = 7;  // side of what occlusion covers, in pixels of the image

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const count = (value, what) => `${value.toLocaleString("en")} ${what}${value == 1 ? "" : "s"}`;
const highest = (numbers) => numbers.indexOf(Math.max(...numbers));
const place = (element, box) =>
  Object.entries(box).forEach(([side, length]) => { element.style[side] = `${length}px`; });
/** Fill a canvas of 28 × 28 pixels, each with [red, green, blue] of a value. */
const picture = (canvas, values, inColour) => {
  const data = new ImageData(28, 28);
  values.forEach((each, at) => data.data.set([...inColour(each), 255], 4 * at));
  canvas.getContext("2d").putImageData(data, 0, 0);
};
const ink = (level) => [255 - level, 255 - level, 255 - level];

const trained = read(JSON.parse(part("#network").textContent)), blank = untrained(trained);
const { operations, names, images } = trained, last = operations.length - 1;
const answer = (network, pixels) => run(network, asInput(network, pixels))[last];
/** @type {number[]} */
const said = [];  // what the network takes each example for, once it was asked
const saidOf = (number) => said[number] ??= highest(answer(trained, images[number].pixels));

const state = {
  network: trained, ...images[0],
  /** @type {Float64Array[]} */ results: [],  // of all operations
  /** @type {null | {operation: number, map: number}} */ off: null,  // what is switched off
  /** @type {null | {operation: number, at: number}} */ chosen: null,
  /** @type {null | number} */ channel: null,  // of what a convolution takes, the map that is shown
  nameOf: (number, at) => {
    const { shape, kind, name } = operations[number], [map, row, column] = placeOf(shape, at);
    const where = number == last ? names[at] : shape.length < 3 ? `number ${at + 1}`
      : `map ${map + 1}, row ${row + 1}, column ${column + 1}`;
    return `${name || kind}, ${where}`;
  },
};

// --------------------------------------------------------------------------------- the layers

function titleOf({ kind, name, kernel, stride, padding, parameters, batch_norm: norm }) {
  const what = {
    max: "largest number of each map", mean: "mean of each map",
    scale: parameters ? "batch normalisation" : "scale",
  }[kind] || kind;
  const parts = [`${what}${kernel ? ` ${kernel.join(" × ")}` : ""}`];
  if (kind == "convolution" && Math.max(...padding)) parts.push(`padding ${padding[0]}`);
  if (kind == "convolution" && Math.max(...stride) > 1) parts.push(`stride ${stride[0]}`);
  if (norm) parts.push("batch normalisation");
  return `${name && `${name}: `}${parts.join(", ")}`;
}

const layers = operations.map((each, number) => {
  const [maps, rows, columns] = asMaps(each.shape), title = titleOf(each);
  const size = each.shape.length < 3 ? count(maps, "number")
    : `${count(maps, "map")} of ${rows} × ${columns}`;
  const costs = [each.parameters && count(each.parameters, "parameter"),
                 each.multiply_adds && count(each.multiply_adds, "multiply-add")];
  const canvas = make("canvas"), frame = make("span", { className: "chosen" });
  const field = make("div", {
    className: "maps", tabIndex: 0, role: "application", ariaLabel: `${title}, ${size}. Arrow keys `
      + "go from number to number, Page Up and Page Down from map to map.",
  }, canvas, frame);
  part("#layers").append(make("section", { className: "layer" }, make("h3", {}, `${title} `,
    make("small", {}, [size, ...costs].filter(Boolean).join(" · "))), field));
  const gap = columns > 1 ? 1 : 0, scale = columns > 1 ? Math.ceil(40 / columns) : 12;
  const [tall, wide] = [rows + gap, columns + gap];
  const layer = { canvas, field, frame, scale, tall, wide, gap, across: 1 };
  field.onclick = ({ offsetX, offsetY }) => {
    const [x, y] = [offsetX, offsetY].map((each_) => Math.floor(each_ / scale));
    const right = Math.floor(x / wide), map = Math.floor(y / tall) * layer.across + right;
    const [row, column] = [y % tall, x % wide];
    const inside = right < layer.across && map < maps && row < rows && column < columns;
    if (inside) choose(number, (map * rows + row) * columns + column);
  };
  field.onkeydown = (event) => moveFrom(event, number);
  field.onfocus = () => { if (state.chosen?.operation != number) choose(number, 0); };
  return layer;
});

/** Column and row of a number in the picture of its layer. */
const corner = ({ across, tall, wide }, shape, at) => {
  const [map, row, column] = placeOf(shape, at);
  return [map % across * wide + column, Math.floor(map / across) * tall + row];
};

function fit() {
  const room = part("#layers").clientWidth;
  layers.forEach((layer, number) => {
    const [maps] = asMaps(operations[number].shape), { canvas, scale, tall, wide, gap } = layer;
    layer.across = Math.max(1, Math.min(maps, Math.floor((room / scale + gap) / wide)));
    canvas.width = layer.across * wide - gap;
    canvas.height = Math.ceil(maps / layer.across) * tall - gap;
    place(canvas, { width: canvas.width * scale, height: canvas.height * scale });
  });
  paint();
}

function paint() {
  layers.forEach((layer, number) => {
    const numbers = state.results[number], { width, height } = layer.canvas;
    const most = numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const data = new ImageData(width, height);
    numbers.forEach((value, at) => {
      const [x, y] = corner(layer, operations[number].shape, at);
      data.data.set([...colour(value, most), 255], 4 * (y * width + x));
    });
    layer.canvas.getContext("2d").putImageData(data, 0, 0);
  });
  showChosen();
}

function moveFrom(event, number) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const [maps, rows, columns] = asMaps(operations[number].shape);
  let [map, row, column] = placeOf(operations[number].shape, state.chosen.at);
  const [down, right] = MOVES[event.key] || [0, 0];
  if (event.key == "PageDown") map++;
  else if (event.key == "PageUp") map--;
  else if (!(event.key in MOVES)) return;
  else if (rows * columns == 1) map += right + down * layers[number].across;
  else [row, column] = [row + down, column + right];
  event.preventDefault();
  const inside = (value, size) => Math.min(size - 1, Math.max(0, value));
  [map, row, column] = [inside(map, maps), inside(row, rows), inside(column, columns)];
  choose(number, (map * rows + row) * columns + column);
}

// ----------------------------------------------------------------------------------- a number

function choose(operation, at, channel = null) {
  Object.assign(state, { chosen: { operation, at }, channel });
  showChosen();
  part("#spoken").textContent =
    `${state.nameOf(operation, at)}: ${format(state.results[operation][at])}`;
}

function close() {
  const { operation } = state.chosen;
  state.chosen = null;
  showChosen();
  layers[operation].field.focus({ preventScroll: true });
  state.chosen = null;  // focus has chosen its first number
  showChosen();
}
document.onkeydown = ({ key }) => { if (key == "Escape" && state.chosen) close(); };

/** Choose a number that is elsewhere on the page, and go there. */
function goTo(operation, at, channel = null) {
  const stays = channel != null;
  choose(operation, at, channel);
  if (stays) return part("#number select").focus();
  layers[operation].field.focus({ preventScroll: true });
  layers[operation].frame.scrollIntoView({ block: "center" });
}

function showChosen() {
  const { chosen } = state, rectangle = part(".rectangle"), panel = part("#number");
  layers.forEach(({ frame }, number) => { frame.hidden = chosen?.operation != number; });
  rectangle.hidden = panel.hidden = !chosen;
  if (!chosen) return;
  const { operation, at } = chosen, each = operations[operation];
  const { scale, frame } = layers[operation];
  const [x, y] = corner(layers[operation], each.shape, at).map((side) => side * scale - 2);
  place(frame, { left: x, top: y, width: scale + 4, height: scale + 4 });
  const { top, left, bottom, right } = receptiveField(trained, operation, at);
  place(rectangle, { left: 1 + left * PIXEL, top: 1 + top * PIXEL,
                     width: (right - left + 1) * PIXEL, height: (bottom - top + 1) * PIXEL });
  const off = isOff(state, each, operation, at), [map] = placeOf(each.shape, at);
  const what = each.shape.length < 3 ? "this number" : `map ${map + 1}`;
  const between = operation > 0 && operation < last;
  panel.replaceChildren(
    make("h2", {}, `${state.nameOf(operation, at)}: ${format(state.results[operation][at])}`),
    make("div", { className: "tools" },
      ...between ? [make("button", { id: "off", onclick: () => {
        switchOff(off ? null : { operation, map });
        part("#off").focus();
      } }, `switch ${what} ${off ? "on" : "off"}`)] : [],
      ...operation < last ? [make("button", { onclick: () => {
        const up = upwards(state.network, state.results, operation, at);
        goTo(up.operation, up.at);
      } }, "up: where it is used")] : [],
      make("button", { onclick: close }, "close")),
    ...explanation(state, operation, at, goTo));
}

// ---------------------------------------------------------------------------------- the answer

const rowsOfAnswer = Array.from({ length: operations[last].shape[0] }, (_, label) => {
  const meter = make("meter", { max: 1, ariaLabel: `probability of ${names[label]}` });
  const share = make("span"), cells = [make("td", {}, meter, share), ...["", "before", ""]
    .map((className) => make("td", { className }))];
  const row = make("tr", {}, make("th", { scope: "row" }, names[label]), ...cells);
  part("#answer tbody").append(row);
  return { row, meter, cells: [share, ...cells.slice(1)] };
});

/** Run the network on the image, and show what comes of it. */
function compute() {
  const { network, pixels, label, off } = state;
  state.results = run(network, asInput(network, pixels), off);
  const logits = [...state.results[last]], shares = softmax(logits);
  const others = [off && softmax(answer(network, pixels)), softmax(answer(blank, pixels))];
  rowsOfAnswer.forEach(({ row, meter, cells }, each) => {
    row.className = each == highest(shares) ? "highest" : "";
    meter.value = shares[each];
    const texts = [percent(shares[each]), format(logits[each]),
                   ...others.map((other) => (other ? percent(other[each]) : ""))];
    cells.forEach((cell, at) => { cell.textContent = texts[at]; });
  });
  document.body.classList.toggle("some-off", Boolean(off));
  if (off) part("#on").textContent = `${nameOfMap(off)} is off: switch it on again`;
  say(`${network == blank ? "The untrained network" : "The network"} says `
    + `${names[highest(shares)]}, ${percent(Math.max(...shares))}.`
    + (label == null ? "" : ` The label is ${names[label]}.`));
  picture(part("#pixels"), pixels, ink);
  part("#looked").hidden = true;
  if (!part("#occlude").disabled) part("#occlude").textContent = LOOK;
  paint();
}

const nameOfMap = ({ operation, map }) => {
  const { shape, name, kind } = operations[operation];
  return `${shape.length < 3 ? "number" : "map"} ${map + 1} of ${name || kind}`;
};
const say = (text) => { if (part("#said").textContent != text) part("#said").textContent = text; };

/** How much the probability of the answer falls when a square around each place is background. */
async function occlude() {
  if (!part("#looked").hidden) return compute();  // back to the image
  const { pixels, network, off, results } = state, reach = (SQUARE - 1) / 2;
  const of = (image) => softmax(run(network, asInput(network, image), off)[last]);
  const before = of(pixels), label = highest(before), falls = new Float64Array(784);
  const button = part("#occlude");
  button.disabled = true;
  for (let row = 0; row < 28 && state.results == results; row++) {
    for (let column = 0; column < 28; column++) {
      const covered = pixels.map((each, at) => (Math.abs(Math.floor(at / 28) - row) <= reach
        && Math.abs(at % 28 - column) <= reach ? 0 : each));
      if (covered.every((each, at) => each == pixels[at])) continue;  // only background
      falls[row * 28 + column] = before[label] - of(covered)[label];
    }
    button.textContent = `row ${row + 1} of 28 …`;
    await new Promise((done) => { setTimeout(done); });
  }
  Object.assign(button, { disabled: false, textContent: LOOK });
  if (state.results != results) return;  // something else is shown meanwhile
  const most = Math.max(...falls.map(Math.abs));
  picture(part("#looked"), falls, (fall) => colour(fall, most));
  part("#looked").hidden = false;
  button.textContent = "back to the image";
  say(`${part("#said").textContent} Red places spoke for ${names[label]}: with ${SQUARE} × `
    + `${SQUARE} pixels around them covered, its probability falls by up to `
    + `${percent(Math.max(...falls))}. Where nothing changes, it is white.`);
}
const LOOK = part("#occlude").textContent;

function show(pixels, label = null, example = null) {
  Object.assign(state, { pixels, label });
  document.querySelectorAll("#examples button").forEach((each, number) => {
    each.setAttribute("aria-pressed", String(number == example));
  });
  compute();
}
function showExample(number) {
  clear();
  show(images[number].pixels, images[number].label, number);
}
function switchOff(off) {
  state.off = off;
  compute();
  if (state.chosen) choose(state.chosen.operation, state.chosen.at, state.channel);
}
function switchTo(network) {
  state.network = network;
  part("#untrained").checked = network == blank;
  compute();
}

images.forEach(({ pixels, label }, number) => {
  const canvas = make("canvas", { width: 28, height: 28 });
  const button = make("button", { onclick: () => showExample(number) }, canvas);
  const call = (name) => Object.assign(button, { title: name, ariaLabel: name });
  picture(canvas, pixels, ink);
  call(names[label]);
  part("#examples").append(button);
  setTimeout(() => {  // once the page is there
    const isWrong = saidOf(number) != label;
    button.classList.toggle("wrong", isWrong);
    if (isWrong) call(`${names[label]}, which the network takes for ${names[saidOf(number)]}`);
  });
});

// ------------------------------------------------------------------------------ guided tours

/** What a tour may look at, and do. */
const guide = {
  operations, names, images, state, last, format,
  show: showExample,
  choose: (operation, at) => {
    choose(operation, at);
    layers[operation].frame.scrollIntoView({ block: "center" });
  },
  train: (isTrained) => switchTo(isTrained ? trained : blank),
  look: (selector) => part(selector).scrollIntoView({ block: "center" }),
  terms: (at) => terms(trained, state.results, last, at),
  occlude,
  wrong: () => images.findIndex(({ label }, number) => saidOf(number) != label),
};

function startTour(steps, from) {
  const panel = part("#tour"), [back, next, end] = panel.querySelectorAll("button");
  let step = 0;
  const go = (by) => {
    step += by;
    part("#tour p").textContent = `${step + 1} of ${steps.length}: ${steps[step](guide)}`;
    back.disabled = step == 0;
    next.disabled = step == steps.length - 1;
  };
  back.onclick = () => go(-1);
  next.onclick = () => go(1);
  end.onclick = () => {
    panel.hidden = true;
    switchTo(trained);
    from.focus();
  };
  panel.hidden = false;
  panel.focus();
  go(0);
}
for (const { name, fits, steps } of TOURS) {
  const button = make("button", { onclick: () => startTour(steps, button) }, name);
  if (fits(guide)) part("#tours").append(button);
}

part("#untrained").onchange = ({ target }) => switchTo(target.checked ? blank : trained);
part("#occlude").onclick = occlude;
part("#on").onclick = () => { switchOff(null); part("#said").focus(); };
part("#clear").onclick = () => { showExample(0); part("#drawing").focus(); };
const clear = startDrawing(show, say);
state.results = run(trained, asInput(trained, state.pixels));
new ResizeObserver(fit).observe(part("#layers"));
fit();
showExample(0);
