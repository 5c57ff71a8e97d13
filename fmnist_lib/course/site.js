// The theme loads the search on every page. Sphinx takes each for its page of results, where the
// words that were searched for are not to be marked, and so never marks them.

/* global SphinxHighlight */

document.addEventListener("DOMContentLoaded", () => {
  if (document.getElementById("search-results")) return;
  // @ts-expect-error: of Sphinx's own script
  SphinxHighlight.highlightSearchWords(); // which waits 10 ms
  setTimeout(() => {
    const found = [...document.querySelectorAll("article .highlighted")];
    const first = found.find((each) => each.checkVisibility());
    if (!location.hash) first?.scrollIntoView({ block: "center" });
  }, 50);
});
