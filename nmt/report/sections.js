// The sections that are drawn once: curves, measures, BLEU by length, cost, and how differently variants look.

const data = JSON.parse(document.getElementById("data").textContent);
const several = data.variants.length > 1;
const COLOURS = 8;
const TRANSLATIONS = ["forced", "free"];

function section(name, ...children) {
  const element = document.getElementById(name);
  element.append(...children);
  element.hidden = false;
  return element;
}

function cards(figures) {
  return make("div", { className: "cards" }, ...figures);
}

// A choice of one of several, as radio buttons with words.
function choice(legend, options, chosen, change) {
  const name = `choice-${legend.replace(/\W+/g, "-")}`;
  const buttons = options.map((label, place) => {
    const input = make("input", { type: "radio", name, checked: place === chosen });
    input.addEventListener("change", () => change(place));
    return make("label", {}, input, make("span", {}, label));
  });
  return make("fieldset", { className: "choice" }, make("legend", {}, legend), ...buttons);
}

// One variant: its lines in one chart. Several: a colour for each and a chart for each line, but of the ways to translate
// only the one that is asked for.
function panelCharts(panel, asked) {
  if (!several) {
    const series = panel.lines.map(({ label, curves: [runs] }, place) => ({ name: label, colour: place, dashed: place > 0, runs }));
    return [lineChart({ ...panel, series, across: "step", single: true })];
  }
  const lines = panel.lines.filter(({ label }) => !TRANSLATIONS.includes(label) || label === asked);
  return lines.map((line) => {
    const series = line.curves.map((runs, place) => ({ name: data.variants[place].short, colour: place % COLOURS, runs }));
    const title = panel.lines.length > 1 ? `${panel.title}, ${line.label}` : panel.title;
    return lineChart({ ...panel, title, series, across: "step", single: false });
  });
}

function curves(name, panels) {
  if (panels.length === 0) return;
  const all = (asked) => panels.flatMap((panel) => panelCharts(panel, asked));
  const place = cards(all(TRANSLATIONS[0]));
  const asks = several && panels.some((panel) => panel.lines.some((line) => line.label === TRANSLATIONS[1]));
  const redraw = (asked) => place.replaceChildren(...all(TRANSLATIONS[asked]));
  section(name, ...(asks ? [choice("translations", TRANSLATIONS, 0, redraw)] : []), place);
}

function lengths() {
  const runs = data.variants.flatMap((variant) => variant.runs);
  const buckets = runs.find((run) => run.lengths.length > 0)?.lengths;
  if (buckets === undefined) return;
  const same = (run) => run.lengths.length === buckets.length && run.lengths.every((each, place) => each.to === buckets[place].to);
  const series = data.variants.map((variant, place) => ({
    name: variant.short, colour: place % COLOURS,
    runs: variant.runs.filter(same).map((run) => [run.lengths.map((_, at) => at), run.lengths.map((each) => each.bleu)]),
  }));
  const categories = buckets.map((each) => (each.from === each.to ? String(each.from) : `${each.from}–${each.to}`));
  const counts = buckets.map((each) => each.sentences);
  const note = `of test sentences with so many source words, ${Math.min(...counts)} to ${Math.max(...counts)} sentences a point`;
  const spec = { title: "BLEU", note, across: "source words", digits: 1, zero: true, categories, series, best: null };
  section("lengths", cards([lineChart(spec)]));
}

function costs() {
  const figures = data.costs.map(({ name, head, better }) => {
    const points = data.variants.map((variant, place) => ({
      name: variant.short, colour: place % COLOURS,
      runs: variant.runs.map((run) => [run.values[name], run.values.BLEU]).filter((pair) => pair.every(Number.isFinite)),
    })).filter((each) => each.runs.length > 0);
    const note = `test BLEU against ${head}: higher is better, and ${better === "less" ? "further left" : "further right"} is cheaper`;
    return points.length > 0 ? scatterChart({ title: head, note, across: head, points }) : null;
  });
  const drawn = figures.filter((figure) => figure !== null);
  if (drawn.length > 0) section("costs", cards(drawn));
}

function matrix(numbers, caption, digits) {
  const heads = data.variants.map((variant) => make("th", { scope: "col" }, word(variant.short)));
  const rows = numbers.map((row, place) => {
    const cells = row.map((value) => make("td", {}, value === null ? "–" : value.toFixed(digits)));
    return make("tr", {}, make("th", { scope: "row" }, word(data.variants[place].short)), ...cells);
  });
  const head = make("thead", {}, make("tr", {}, make("td"), ...heads));
  return make("table", { className: "scores matrix" }, make("caption", {}, caption), head, make("tbody", {}, ...rows));
}

function disagreement() {
  const found = data.disagreement;
  if (!found) return;
  const note = `Attention at the last checkpoints on the same forced references: means over ${found.words} target words of the `
    + "sentences above. Between a variant and itself: between its seeds. Variants that differ no more than seeds do, do not differ.";
  const tables = [
    matrix(found.divergence, "Jensen-Shannon divergence, bits: 0 alike, 1 nothing in common", 3),
    matrix(found.variation, "Total variation: the share of the mass that lies elsewhere", 3),
  ].map((table) => make("div", { className: "scroll" }, table));
  section("disagreement", make("p", { className: "hint" }, note), make("div", { className: "matrices" }, ...tables));
}

// A chart that cannot be drawn hides no other.
for (const draw of [
  () => curves("learning", data.learning), () => curves("measures", data.measures), lengths, costs, disagreement,
]) {
  try {
    draw();
  } catch (problem) {
    console.error(problem);
  }
}
