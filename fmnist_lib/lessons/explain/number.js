// Where a number comes from: the panel that says it.

import { placeOf, receptiveField, terms } from "./network.js";

const LISTED = 10;  // terms of a sum that are named one by one
const SAYS = {
  "input": "A pixel, standardised: its grey level minus the mean of all training images, divided "
    + "by their standard deviation.",
  "convolution": "The kernel lies on the numbers before. Each is multiplied by the weight on it, "
    + "and the products of all maps are added, with the bias.",
  "linear": "Every number before is multiplied by a weight of its own, and all is added, "
    + "with the bias.",
  "scale": "The number before, times a factor, plus a term, both the same for a whole map.",
  "ReLU": "A negative number becomes 0, any other stays.",
  "max-pooling": "The largest of the numbers in a small square.",
  "mean-pooling": "The mean of the numbers in a small square.",
  "add": "The sum of two numbers at the same place.",
  "flatten": "The same number, now in one long row.",
  "max": "The largest number of the map.",
  "mean": "The mean of all numbers of the map.",
};

/** An element with properties and children; texts are text and never HTML. */
export function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export const format = (value) => {
  const digits = value && Math.abs(value) < 0.095 ? 3 : 2;
  return (Number(value.toFixed(digits)) + 0).toFixed(digits).replace("-", "−");
};

/** White at 0, red above and blue below, darkest at `most`. */
export const colour = (value, most) => {
  const share = Math.max(-1, Math.min(1, value / (most || 1)));
  return (share > 0 ? [77, 231, 212] : [222, 153, 83]).map((each) => 255 - each * Math.abs(share));
};

export const isOff = ({ off }, { shape }, operation, at) =>
  off?.operation == operation && off.map == placeOf(shape, at)[0];

/** What the panel shows of a number. See `page.js` for `state` and `go`. */
export function explanation(state, operation, at, go) {
  const { network, results } = state, each = network.operations[operation];
  const value = results[operation][at], off = isOff(state, each, operation, at);
  const found = off ? [] : terms(network, results, operation, at);
  const { top, left, bottom, right } = receptiveField(network, operation, at);
  const shown = found.length ? COMES_FROM[each.kind] || ofFew : () => [];
  return [
    make("p", {}, off ? "It is switched off." : SAYS[each.kind]),
    ...shown({ each, found, at, value, state, go }),
    make("p", {}, `It depends on ${bottom - top + 1} × ${right - left + 1} pixels, its receptive `
      + `field: rows ${top + 1} to ${bottom + 1}, columns ${left + 1} to ${right + 1}.`),
  ];
}

/** A number that leads to where it stands; what lies in the padding leads nowhere. */
const link = ({ input, at, value }, { state, go }) => (at < 0
  ? make("span", { title: "padding" }, "0")
  : make("button", { onclick: () => go(input, at),
                     ariaLabel: `${format(value)}, ${state.nameOf(input, at)}` }, format(value)));

/** Numbers as a table, coloured; of `marked` the place is framed. */
function table(caption, values, columns, elements = null, marked = -1) {
  const most = Math.max(...values.map(Math.abs)), rows = [];
  values.forEach((value, at) => {
    const cell = make("td", { className: at == marked ? "most" : "" },
                      elements?.[at] || make("span", {}, format(value)));
    cell.style.background = `rgb(${colour(value, 2.2 * most).join(" ")})`;
    if (at % columns == 0) rows.push(make("tr"));
    rows.at(-1).append(cell);
  });
  return make("figure", {}, make("figcaption", {}, caption),
              make("table", { className: "numbers" }, make("tbody", {}, ...rows)));
}

const COMES_FROM = {
  "convolution": (shown) => {
    const { each, found, at, value, state, go } = shown, size = each.kernel[0] * each.kernel[1];
    const of = (channel) => found.slice(channel * size, (channel + 1) * size);
    const sums = Array.from({ length: each.depth }, (_, channel) =>
      of(channel).reduce((sum, term) => sum + term.value * term.weight, 0));
    const order = [...sums.keys()].sort((a, b) => Math.abs(sums[b]) - Math.abs(sums[a]));
    const channel = state.channel ?? order[0], [map] = placeOf(each.shape, at);
    const first = Math.floor(map / (each.shape[0] / each.groups)) * each.depth;
    const choice = make("select", {
      onchange: () => { go(state.chosen.operation, at, Number(choice.value)); },
    }, ...order.map((one) => make("option", { value: String(one), selected: one == channel },
                                  `map ${first + one + 1}: ${format(sums[one])}`)));
    const part = of(channel), bias = each.bias ? each.bias[map] : 0, sum = format(value - bias);
    return [
      ...each.depth > 1 ? [make("label", {}, "Of the maps before, shown is ", choice)] : [],
      table("numbers before", part.map((term) => term.value), each.kernel[1],
            part.map((term) => link(term, shown))),
      table("× kernel", part.map((term) => term.weight), each.kernel[1]),
      table("= products", part.map((term) => term.value * term.weight), each.kernel[1]),
      make("p", {}, `Together ${format(sums[channel])}. `
        + `${each.depth > 1 ? `All ${each.depth} maps together ${sum}. ` : ""}`
        + `${sum} and the bias, ${format(bias)}, are ${format(value)}.`),
    ];
  },
  "linear": (shown) => {
    const { each, found, at, value } = shown, product = (term) => term.value * term.weight;
    const sorted = [...found].sort((a, b) => Math.abs(product(b)) - Math.abs(product(a)));
    const rest = sorted.splice(LISTED).reduce((sum, term) => sum + product(term), 0);
    const row = (cells, kind = "td") =>
      make("tr", {}, ...cells.map((cell) => make(kind, {}, cell)));
    return [make("table", { className: "list" },
      make("thead", {}, row(["number", "× weight", "= product"], "th")),
      make("tbody", {}, ...sorted.map((term) =>
        row([link(term, shown), format(term.weight), format(product(term))])),
      row([`${found.length - sorted.length} others`, "", format(rest)]),
      row(["bias", "", format(each.bias ? each.bias[at] : 0)]), row(["sum", "", format(value)])))];
  },
  "scale": (shown) => {
    const { each, found, at, value } = shown;
    const map = each.weight.length == 1 ? 0 : placeOf(each.shape, at)[0];
    return [make("p", { className: "numbers" }, link(found[0], shown),
                 ` × ${format(each.weight[map])} + ${format(each.bias[map])} = ${format(value)}`)];
  },
};

/** Of a few numbers, or a whole map: all of them. */
function ofFew(shown) {
  const { each, found, value, state } = shown, values = found.map((term) => term.value);
  const whole = values.length > 2 && state.network.operations[each.inputs[0]].shape[2];
  const columns = each.kernel?.[1] || whole || values.length;
  const marked = each.kind.startsWith("max") ? values.indexOf(value) : -1;
  return [table("numbers before", values, columns, found.map((term) => link(term, shown)), marked)];
}
