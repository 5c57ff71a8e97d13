// Reads GIFT from standard input and prints, as JSON, what gift-pegjs finds in it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// Not by `import`: the type check must not need the package, which only one test of Python's does.
const { parse } = createRequire(import.meta.url)("gift-pegjs");

console.log(JSON.stringify(parse(readFileSync(0, "utf8"))));
