// Guided tours: each step does something on the page and says what is to be seen there.

/** Where the largest number of a result stands. */
const largest = (numbers) => numbers.indexOf(numbers.reduce((a, b) => Math.max(a, b)));
const first = (operations, kind) => operations.findIndex((each) => each.kind == kind);

export const TOURS = [
  {
    name: "What does a convolution do?",
    fits: ({ operations }) => first(operations, "convolution") > 0,
    steps: [
      (page) => {
        page.train(true);
        page.show(0);
        page.choose(0, 14 * 28 + 14);
        return "The network gets 28 × 28 numbers, one for each pixel. They are standardised, so "
          + "that they lie around 0: what was white paper is blue here, what was ink is red.";
      },
      (page) => {
        const place = first(page.operations, "convolution"), { kernel } = page.operations[place];
        page.choose(place, largest(page.state.results[place]));
        return `A convolution lays a small table of weights, the kernel, on the image. Here it has `
          + `${kernel.join(" × ")} weights. Each is multiplied by the number below it, and the `
          + `products are added: that gives the framed number, with all its products beside it.`;
      },
      (page) => {
        const place = first(page.operations, "convolution");
        const [maps, rows, columns] = page.operations[place].shape;
        return `The same kernel is laid on every place. The results of one kernel are a feature `
          + `map of ${rows} × ${columns} numbers: large where the image looks like the kernel. `
          + `${maps} kernels make ${maps} maps. Move the frame with the arrow keys.`;
      },
      (page) => {
        page.train(false);
        return "Nobody wrote these kernels: training found them. These are the maps of a network "
          + "with random weights, which knows nothing yet. Its answer is in the table.";
      },
      (page) => {
        page.train(true);
        return "And this is the trained network again. Which edges does each map find? Switch a "
          + "map off and see how the probabilities change.";
      },
    ],
  },
  {
    name: "Why pooling?",
    fits: ({ operations }) => first(operations, "max-pooling") > 0,
    steps: [
      (page) => {
        const place = first(page.operations, "max-pooling"), { kernel } = page.operations[place];
        page.train(true);
        page.show(0);
        page.choose(place, largest(page.state.results[place]));
        return `Max-pooling cuts a map into squares of ${kernel.join(" × ")} and keeps the largest `
          + "number of each. The framed number is the largest of those beside it.";
      },
      (page) => {
        const { shape, inputs } = page.operations[first(page.operations, "max-pooling")];
        const [before, after] = [page.operations[inputs[0]].shape, shape]
          .map((each) => each.slice(1).join(" × "));
        return `A map of ${before} becomes one of ${after}: less to compute from here on. What was `
          + "found stays; where exactly is forgotten.";
      },
      (page) => {
        const pools = page.operations.map((each, at) => (each.kind == "max-pooling" ? at : -1));
        const place = pools.reduce((a, b) => Math.max(a, b));
        page.choose(place, largest(page.state.results[place]));
        return "And each number sees more of the image: the frame on the image is the receptive "
          + "field of this one, behind the last pooling.";
      },
    ],
  },
  {
    name: "Why is this one wrong?",
    fits: (page) => page.wrong() >= 0,
    steps: [
      (page) => {
        page.train(true);
        page.show(page.wrong());
        const [said] = answer(page);
        page.choose(page.last, said);
        return `The label of this image is ${page.names[page.state.label]}, and the network says `
          + `${page.names[said]}. The probabilities come from the logits: the largest one wins.`;
      },
      (page) => {
        const [said, logits] = answer(page), label = page.state.label;
        page.choose(page.last, said);
        return `The logit of ${page.names[said]} is ${page.format(logits[said])}, that of `
          + `${page.names[label]} ${page.format(logits[label])}. It is a sum of products; the `
          + "largest ones stand beside it. Each number in it leads back into the network.";
      },
      (page) => {
        page.occlude();
        return "Where does it look? A square around each place is covered. Where the probability "
          + "of its answer falls, the image becomes red: these pixels spoke for it.";
      },
    ],
  },
];

function answer({ state, last }) {
  const logits = state.results[last];
  return [largest(logits), logits];
}
