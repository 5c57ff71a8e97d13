import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/node_modules/"] },
  js.configs.recommended,
  { files: ["fmnist_lib/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node } },
  {
    rules: {
      "max-len": ["error", 100],
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
