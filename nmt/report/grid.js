// One alignment as a table that pointer and arrow keys can walk through.

// Between the two nearest inks; the style sheet has one set for light and one for dark screens.
function ink(weight) {
  const place = Math.min(Math.max(weight, 0), 1) * (data.inks - 1);
  const below = Math.min(Math.floor(place), data.inks - 2);
  const share = Math.round((place - below) * 100);
  return `color-mix(in srgb, var(--ink-${below + 1}) ${share}%, var(--ink-${below}))`;
}

// A grid draws {source, target, weights: number[target][source], links: "sure" | "possible" by "row,column", picture: of
// a drawn sentence, whose slices then stand over their columns}, and tells `told` the place {row, column} that is pointed
// at (either may be undefined), or null.
function grid(told) {
  const table = make("table", { className: "grid" });
  table.setAttribute("aria-label", "alignment");
  let shown = null;
  let home = null; // the cell that the Tab key comes to

  function cellAt(row, column) {
    return table.rows[row === undefined ? 0 : row + 1]?.cells[column === undefined ? 0 : column + 1] ?? null;
  }

  function placeOf(cell) {
    const number = (text) => (text === undefined ? undefined : Number(text));
    return cell && { row: number(cell.dataset.row), column: number(cell.dataset.column) };
  }

  function build() {
    const corner = make("td", { className: "corner" });
    const head = make("tr", {}, corner);
    for (const [column, text] of shown.source.entries()) {
      const region = shown.picture?.regions[column];
      const name = region ? paint(shown.picture, region) : make("span", {}, word(text));
      const cell = make("th", { className: "source", scope: "col", title: text, tabIndex: -1 }, name);
      cell.dataset.column = column;
      head.append(cell);
    }
    const rows = shown.target.map((text, row) => {
      const name = make("th", { className: "target", scope: "row", tabIndex: -1 }, word(text));
      name.dataset.row = row;
      const line = make("tr", {}, name);
      for (const column of shown.source.keys()) {
        const cell = make("td", { tabIndex: -1 });
        Object.assign(cell.dataset, { row, column });
        line.append(cell);
      }
      return line;
    });
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
    const written = shown.source.filter((_, column) => !shown.picture?.regions[column]);
    const letters = Math.max(...written.map((text) => Math.min([...text].length, 20)));
    table.style.setProperty("--letters", letters);
    table.style.setProperty("--columns", shown.source.length);
    home = null;
    settle(cellAt(undefined, 0));
  }

  function settle(cell) {
    if (home) home.tabIndex = -1;
    home = cell;
    if (home) home.tabIndex = 0;
  }

  function draw(next) {
    const same = shown && next.picture === shown.picture && [next.source, next.target].join("\n") === [shown.source, shown.target].join("\n");
    shown = next;
    if (!same) build(); // the same cells change their colour slowly, so that learning is seen
    for (const cell of table.querySelectorAll("td[data-row]")) {
      const { row, column } = cell.dataset;
      const weight = next.weights[row][column];
      cell.style.backgroundColor = ink(weight);
      const link = next.links[`${row},${column}`];
      for (const kind of ["sure", "possible"]) cell.classList.toggle(kind, link === kind);
      const gold = link ? `, ${link} gold link` : "";
      cell.setAttribute("aria-label", `${next.source[column]}, ${next.target[row]}: ${weight.toFixed(2)}${gold}`);
    }
  }

  function light(place) {
    for (const cell of table.querySelectorAll("[data-row], [data-column]")) {
      const inRow = place !== null && place.row !== undefined && cell.dataset.row === String(place.row);
      const inColumn = place !== null && place.column !== undefined && cell.dataset.column === String(place.column);
      cell.classList.toggle("lit", inRow || inColumn);
      cell.classList.toggle("in-row", inRow);
      cell.classList.toggle("in-column", inColumn);
      cell.classList.toggle("at", inRow && inColumn);
    }
  }

  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return told(null);
    const move = moves[event.key];
    const from = placeOf(event.target.closest("[data-row], [data-column]"));
    if (move === undefined || from === null) return undefined;
    event.preventDefault();
    const [row, column] = [(from.row ?? -1) + move[0], (from.column ?? -1) + move[1]];
    if (row < 0 && column < 0) return undefined;
    const next = cellAt(row < 0 ? undefined : row, column < 0 ? undefined : column);
    if (next) next.focus();
    return undefined;
  });
  table.addEventListener("focusin", (event) => {
    const cell = event.target.closest("[data-row], [data-column]");
    settle(cell);
    told(placeOf(cell));
  });
  table.addEventListener("focusout", () => told(null));
  table.addEventListener("pointerover", (event) => told(placeOf(event.target.closest("[data-row], [data-column]"))));
  table.addEventListener("pointerleave", () => told(null));
  return { table, draw, light };
}

// What comes with a grid: its weights, written as two hexadecimal digits each; a choice of what is drawn; what colours mean.

function rows(hex, count, columns) {
  const at = (row, column) => parseInt(hex.substr((row * columns + column) * 2, 2), 16) / 255;
  return Array.from({ length: count }, (_, row) => Array.from({ length: columns }, (_, column) => at(row, column)));
}

function select(label, options, chosen, change) {
  const element = make("select", { ariaLabel: label }, ...options.map((text) => make("option", {}, text)));
  element.setAttribute("aria-label", label);
  element.selectedIndex = chosen;
  element.addEventListener("change", () => change(element.selectedIndex));
  return element;
}

function scale() {
  const steps = Array.from({ length: data.inks }, (_, place) => `var(--ink-${place})`);
  const bar = make("span", { className: "bar" });
  bar.style.backgroundImage = `linear-gradient(to right, ${steps.join(", ")})`;
  return make("span", { className: "scale" }, "weight 0 ", bar, " 1");
}
