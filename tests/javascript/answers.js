// node answers.js PAGE IMAGES: what the network in a page answers, one line of logits an image.
// IMAGES has 784 bytes for each.

import { readFileSync } from "node:fs";

import { asInput, read, run } from "../../fmnist_lib/lessons/explain/network.js";

const [page, images] = process.argv.slice(2);
const [, data] = readFileSync(page, "utf-8").match(/id="network">(.*)<\/script>/);
const network = read(JSON.parse(data)), pixels = readFileSync(images), lines = [];
for (let start = 0; start < pixels.length; start += 784) {
  const input = asInput(network, pixels.subarray(start, start + 784));
  lines.push(run(network, input).at(-1).join(" "));
}
console.log(lines.join("\n"));
