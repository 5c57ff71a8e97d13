// Guided tours: each step does something on the page and says what is to be seen there.

/** Where the largest number of a result stands. */
const largest = (numbers) => numbers.indexOf(numbers.reduce((a, b) => Math.max(a, b)));
const first = (operations, kind) => operations.findIndex((each) => each.kind == kind);
/** Choose the largest number of the first operation of a kind; returns its place. */
const chooseIn = (page, kind) => {
  const place = first(page.operations, kind);
  page.choose(place, largest(page.state.results[place]));
  return place;
};

export const TOURS = [
  {
    name: "What does a convolution do?",
    fits: ({ operations }) => operations.find(({ kind }) => kind == "convolution")?.shape[1] > 1,
    steps: [
      (page) => {
        page.train(true);
        page.show(0);
        page.choose(0, 14 * 28 + 14);
        return "The network gets 28 × 28 numbers, one for each pixel. They are standardised, so "
          + "that they lie around 0: what was white paper is blue here, what was ink is red.";
      },
      (page) => {
        page.show(0);
        const { kernel } = page.operations[chooseIn(page, "convolution")];
        return `A convolution lays a small table of weights, the kernel, on the image. Here it has `
          + `${kernel.join(" × ")} weights. Each is multiplied by the number that it lies on, and `
          + "the products are added. The panel shows this for the framed number.";
      },
      (page) => {
        const [maps, rows, columns] = page.operations[chooseIn(page, "convolution")].shape;
        return `The same kernel is laid on every place. The results of one kernel are a feature `
          + `map of ${rows} × ${columns} numbers. ${maps} kernels make ${maps} maps. Choose other `
          + "numbers, by a click or with the arrow keys, and see which pixels they come from.";
      },
      (page) => {
        page.train(false);
        page.look("#answer");
        return "Nobody writes the kernels of a network: training finds them. Here all weights are "
          + "random, as before the training, and the answer is a guess. Its maps are below.";
      },
      (page) => {
        page.train(true);
        chooseIn(page, "convolution");
        return "The trained network again. Which edges does each map find? Switch a map off in the "
          + "panel: the table of answers then has both probabilities.";
      },
    ],
  },
  {
    name: "Why pooling?",
    fits: ({ operations }) => first(operations, "max-pooling") > 0,
    steps: [
      (page) => {
        page.train(true);
        page.show(0);
        const { kernel } = page.operations[chooseIn(page, "max-pooling")];
        return `Max-pooling cuts a map into squares of ${kernel.join(" × ")} and keeps the largest `
          + "number of each. The framed number is the largest of those in the panel.";
      },
      (page) => {
        const { shape, inputs } = page.operations[chooseIn(page, "max-pooling")];
        const [before, after] = [page.operations[inputs[0]].shape, shape]
          .map((each) => each.slice(1).join(" × "));
        return `A map of ${before} becomes one of ${after}: less to compute from here on. The `
          + "largest number stays; where in its square it was is forgotten.";
      },
      (page) => {
        const place = page.operations.findLastIndex(({ kind }) => kind == "max-pooling");
        page.choose(place, largest(page.state.results[place]));
        page.look("#pixels");
        return "And each number sees more of the image. The frame on the image is the receptive "
          + "field of a number behind the last pooling: the pixels that it depends on.";
      },
    ],
  },
  {
    name: "Why is this one wrong?",
    fits: (page) => page.wrong() >= 0 && page.operations[page.last].kind == "linear",
    steps: [
      (page) => {
        const [said, label] = showWrong(page);
        page.look("#answer");
        return `The label of this image is ${page.names[label]}, and the network says `
          + `${page.names[said]}. Probabilities come from the logits: the largest one wins.`;
      },
      (page) => {
        const [said, label] = showWrong(page), [ours, theirs] = [said, label].map(page.terms);
        const gains = ours.map((term, at) => term.value * (term.weight - theirs[at].weight));
        const most = largest(gains), { input, at } = ours[most];
        page.choose(input, at);
        const difference = page.state.results[page.last][said]
          - page.state.results[page.last][label];
        return `The logit of ${page.names[said]} is larger by ${page.format(difference)}. It is a `
          + `sum of products, one for each number of the layer before. The framed one speaks most `
          + `for ${page.names[said]} and against ${page.names[label]}: by `
          + `${page.format(gains[most])}. It leads back into the network.`;
      },
      (page) => {
        showWrong(page);
        page.look("#pixels");
        page.occlude();
        return "Where does it look? A square around each place is covered. Where the probability "
          + "of its answer falls, the image becomes red: these pixels spoke for it.";
      },
    ],
  },
];

/** Show an image that the network gets wrong; returns what it says, and the label. */
function showWrong(page) {
  page.train(true);
  page.show(page.wrong());
  return [largest(page.state.results[page.last]), page.state.label];
}
