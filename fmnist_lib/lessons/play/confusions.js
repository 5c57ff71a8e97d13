// A confusion matrix as a grid in which one cell is chosen, and the images of this cell.
//
// Python computes all that is shown: `view`, a whole one for each choice and threshold.

/** @typedef {{chosen: number[], counts: number[][], shares: number[][],
 *             answered: string, title: string, images: string}} View */

/** Where a key leads from a cell; nothing for a key that leads nowhere.
 * @type {Record<string, (row: number, column: number, last: number) => number[]>} */
const MOVES = {
  ArrowLeft: (row, column) => [row, column - 1],
  ArrowRight: (row, column) => [row, column + 1],
  ArrowUp: (row, column) => [row - 1, column],
  ArrowDown: (row, column) => [row + 1, column],
  Home: (row) => [row, 0],
  End: (row, _, last) => [row, last],
};

/** The place that a key leads to from another, in a grid with this last row and column; the same
 * place at an edge, nothing for a key that leads nowhere.
 * @param {string} key
 * @param {number[]} place
 * @param {number} last
 * @returns {undefined | number[]} */
export function moved(key, [row, column], last) {
  const to = MOVES[key]?.(row, column, last);
  return to?.map((each) => Math.min(last, Math.max(0, each)));
}

const FRAME = `
  <div class="board">
    <div class="matrix">
      <p>Row: true class. Column: answer of the network.</p>
      <table role="grid" aria-label="Confusion matrix. Row: true class. Column: answer. Arrow keys
        move, Enter shows the images."><thead><tr><td></td></tr></thead><tbody></tbody></table>
      <label class="threshold">threshold
        <input type="range" min="0" max="99" aria-label="threshold of the confidence, in percent">
        <output></output></label>
      <p class="answered" aria-live="polite"></p>
    </div>
    <div>
      <p class="title" aria-live="polite"></p>
      <div class="images"></div>
    </div>
  </div>`;

/** @typedef {{names: string[], view: View, chosen: number[], threshold: number}} Model */

/** @param {{model: import("@anywidget/types").AnyModel<Model>, el: HTMLElement}} given */
function render({ model, el }) {
  const names = model.get("names"), last = names.length - 1;
  el.classList.add("fmnist", "fmnist-confusions");
  el.innerHTML = FRAME;
  /** @type {(selector: string) => any} */
  const part = (selector) => el.querySelector(selector);

  const heading = (name, scope) => {
    const made = document.createElement("th");
    made.scope = scope;
    made.append(document.createElement("span"));
    made.firstChild.textContent = name;
    return made;
  };
  part("thead tr").append(...names.map((name) => heading(name, "col")));
  const cells = names.map((name) => {
    const row = part("tbody").insertRow();
    row.append(heading(name, "row"));
    return names.map(() => {
      const cell = row.insertCell();
      cell.setAttribute("role", "gridcell");
      cell.tabIndex = -1;
      return cell;
    });
  });

  // JupyterLab's own keys, such as arrows from cell to cell; it looks at what has the focus.
  for (const each of el.querySelectorAll("[role=gridcell], input")) {
    each.setAttribute("data-lm-suppress-shortcuts", "true");
  }

  // The matrix is one stop of the Tab key: the cell that was visited last.
  let stop = model.get("view").chosen;
  const visit = (row, column) => {
    cells[stop[0]][stop[1]].tabIndex = -1;
    stop = [row, column];
    cells[row][column].tabIndex = 0;
  };
  const choose = () => { model.set("chosen", stop); model.save_changes(); };
  const placeOf = (cell) => [cell.parentNode.rowIndex - 1, cell.cellIndex - 1];
  part("tbody").onclick = (event) => {
    const cell = event.target.closest("[role=gridcell]");
    if (!cell) return;
    visit(...placeOf(cell));
    choose();
  };
  part("tbody").onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moved(event.key, stop, last);
    if (to) {
      visit(...to);
      cells[stop[0]][stop[1]].focus();
    } else if (event.key == "Enter" || event.key == " ") {
      choose();
    } else return;
    event.preventDefault();
  };

  const slider = part("input");
  slider.oninput = () => { model.set("threshold", slider.valueAsNumber); model.save_changes(); };

  const show = () => {
    /** @type {View} */
    const view = model.get("view");
    const threshold = model.get("threshold");
    cells.forEach((line, row) => line.forEach((cell, column) => {
      const count = view.counts[row][column];
      const label = `${names[row]} called ${names[column]}: ${count}`;
      cell.textContent = count;
      cell.title = label;
      cell.setAttribute("aria-label", label);
      cell.setAttribute("aria-selected", row == view.chosen[0] && column == view.chosen[1]);
      cell.style.setProperty("--share", view.shares[row][column]);
    }));
    slider.value = threshold;
    part("output").textContent = `${threshold}%`;
    part(".answered").textContent = view.answered;
    part(".title").textContent = view.title;
    part(".images").innerHTML = view.images;
  };
  model.on("change:view", show);
  visit(...stop);
  show();
  return () => model.off("change:view", show);
}

export default { render };
