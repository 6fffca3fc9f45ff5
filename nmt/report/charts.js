// Charts as SVG: lines over steps or lengths, and points for cost against quality. Colours come from the style sheet.

// An element with properties and children; text is only ever set as text, never as markup.
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A word beside others whose direction may differ keeps its own.
function word(text) {
  return make("bdi", {}, text);
}

function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SIZE = { width: 360, height: 216, left: 44, top: 18, bottom: 22 };
const LETTER = 6.1; // the width of a letter of a label, about
const LINE = 13; // the height of a label

// Round numbers from low to high, about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
  return found;
}

function abbreviated(number) {
  if (Math.abs(number) >= 1e6) return `${Number((number / 1e6).toPrecision(3))}M`;
  if (Math.abs(number) >= 1e4) return `${Number((number / 1e3).toPrecision(3))}k`;
  return String(Number(number.toPrecision(3)));
}

function clipped(text, longest) {
  const letters = [...text];
  return letters.length > longest ? `${letters.slice(0, longest - 1).join("")}…` : text;
}

// The number of a run at a step, on a straight line between its own; undefined where the run has not begun or is over.
function at([steps, numbers], step) {
  const after = steps.findIndex((each) => each >= step);
  if (after < 0 || (after === 0 && steps[0] > step)) return undefined;
  if (steps[after] === step) return numbers[after];
  const share = (step - steps[after - 1]) / (steps[after] - steps[after - 1]);
  return numbers[after - 1] + share * (numbers[after] - numbers[after - 1]);
}

// The mean of several runs at every step that one of them has: runs that a time limit ends have few steps in common.
function mean(runs) {
  const filled = runs.filter(([steps]) => steps.length > 0);
  if (filled.length < 2) return filled[0] ?? [[], []];
  const found = [...new Set(filled.flatMap(([steps]) => steps))].sort((a, b) => a - b);
  const numbers = found.map((step) => {
    const reached = filled.map((run) => at(run, step)).filter((number) => number !== undefined);
    return reached.reduce((sum, number) => sum + number, 0) / reached.length;
  });
  return [found, numbers];
}

function range(numbers, zero) {
  const low = Math.min(...numbers, zero ? 0 : Infinity);
  const high = Math.max(...numbers);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [zero && low === 0 ? 0 : low - room, high + room];
}

// Axes with their scales: what stands under and beside everything else.
function axes({ across, down, right, acrossTicks, acrossLabel, inside }) {
  const { width, height, left, top, bottom } = SIZE;
  const x = (value) => left + ((value - across[0]) / (across[1] - across[0] || 1)) * (width - right - left);
  const y = (value) => height - bottom - ((value - down[0]) / (down[1] - down[0])) * (height - bottom - top);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height + 12}`, class: "chart" });
  for (const value of ticks(...down, 4)) {
    svg.append(shape("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(shape("text", { class: "tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, abbreviated(value)));
  }
  for (const [value, name] of acrossTicks) {
    svg.append(shape("text", { class: "tick", x: x(value), y: height - bottom + 15, "text-anchor": "middle" }, name));
  }
  // A short name stands beside the numbers, a longer one below them.
  const place = acrossLabel.length < 6
    ? { x: width - right + 14, y: height - bottom + 15 }
    : { x: width - right, y: height - bottom + 30, "text-anchor": "end" };
  svg.append(shape("text", { class: "tick", ...place }, acrossLabel));
  svg.append(...inside(x, y));
  return { svg, x, y };
}

// Labels at the ends of lines, moved apart where they would touch.
function endLabels(ends, at) {
  const { height, top, bottom } = SIZE;
  const sorted = [...ends].sort((a, b) => a.y - b.y);
  let above = top - LINE;
  for (const each of sorted) above = each.at = Math.max(each.y, above + LINE);
  let below = height - bottom + LINE;
  for (const each of sorted.reverse()) below = each.at = Math.min(each.at, below - LINE);
  return sorted.map((each) => {
    const label = shape("text", { class: `label ink-${each.colour}`, x: at + 6, y: each.at + 4 }, clipped(each.name, 16));
    label.append(shape("title", {}, each.name));
    return label;
  });
}

function path(x, y, [steps, numbers], attributes) {
  const d = steps.map((step, place) => `${place ? "L" : "M"}${x(step).toFixed(1)} ${y(numbers[place]).toFixed(1)}`);
  return shape("path", { fill: "none", ...attributes, d: d.join("") });
}

// spec: {title, note, across, series: [{name, colour, dashed, runs: [[steps, numbers]]}], best, digits, zero, categories}
function lineChart(spec) {
  const series = spec.series.map((each) => ({ ...each, mean: mean(each.runs) })).filter((each) => each.mean[0].length);
  const alone = series.length === 1;
  const steps = [...new Set(series.flatMap((each) => each.mean[0]))].sort((a, b) => a - b);
  const all = series.flatMap((each) => each.runs.flatMap((run) => run[1]));
  const longest = alone ? 5 : Math.max(...series.map((each) => Math.min([...each.name].length, 16)));
  const right = 12 + longest * LETTER;
  const acrossTicks = spec.categories
    ? spec.categories.map((name, place) => [place, name])
    : ticks(steps[0], steps.at(-1), 4).map((value) => [value, abbreviated(value)]);
  const { svg, x, y } = axes({
    across: [steps[0], steps.at(-1)], down: range(all, spec.zero), right, acrossTicks, acrossLabel: spec.across,
    inside: (x, y) => series.flatMap((each) => {
      const dashes = each.dashed ? { "stroke-dasharray": "5 3" } : {};
      const runs = each.runs.length > 1 ? each.runs : [];
      const thin = runs.map((run) => path(x, y, run, { class: `run line-${each.colour}`, ...dashes }));
      const dots = each.mean[0].length > 40 ? [] : each.mean[0].map((step, place) =>
        shape("circle", { class: `dot fill-${each.colour}`, cx: x(step), cy: y(each.mean[1][place]), r: 1.9 }));
      return [...thin, path(x, y, each.mean, { class: `line line-${each.colour}`, ...dashes }), ...dots];
    }),
  });
  if (!alone) {
    const ends = series.map(({ name, colour, mean: [, numbers] }) => ({ name, colour, y: y(numbers.at(-1)) }));
    svg.append(...endLabels(ends, SIZE.width - right));
  }
  if (spec.best && series[0].runs.length === 1 && spec.single) svg.append(...bestPoint(series[0], x, y, spec));
  return card(spec, svg, { x, y, series, steps });
}

function bestPoint({ colour, mean: [steps, numbers] }, x, y, { best, digits }) {
  const value = Math[best](...numbers);
  const [cx, cy] = [x(steps[numbers.indexOf(value)]), y(value)];
  const under = best === "min" && cy < SIZE.height - SIZE.bottom - 14;
  const anchor = cx > SIZE.width - 90 ? "end" : "middle";
  return [
    shape("circle", { class: `best line-${colour}`, cx, cy, r: 4 }),
    shape("text", { class: `label ink-${colour}`, x: cx, y: cy + (under ? 17 : -9), "text-anchor": anchor },
      value.toFixed(digits)),
  ];
}

// A chart with its heading and a line that says the numbers under the pointer, or under the arrow keys.
function card(spec, svg, { x, y, series, steps }) {
  const said = make("p", { className: "said" }, spec.note);
  const guide = shape("line", { class: "guide", y1: SIZE.top, y2: SIZE.height - SIZE.bottom });
  guide.style.visibility = "hidden";
  svg.append(guide);
  let at = null;
  function tell(place) {
    at = place;
    guide.style.visibility = place === null ? "hidden" : "visible";
    if (place === null) return said.replaceChildren(spec.note);
    const step = steps[place];
    guide.setAttribute("x1", x(step));
    guide.setAttribute("x2", x(step));
    said.replaceChildren(make("span", { className: "step" }, spec.categories ? spec.categories[step] : `${spec.across} ${step}`));
    for (const { name, colour, mean: [own, numbers] } of series) {
      const found = own.indexOf(step);
      if (found < 0) continue;
      const value = make("b", {}, numbers[found].toFixed(spec.digits));
      said.append(" ", make("span", { className: `told ink-${colour}` }, series.length > 1 ? `${name} ` : "", value));
    }
    return undefined;
  }
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * SIZE.width;
    const distances = steps.map((step) => Math.abs(x(step) - place));
    tell(distances.indexOf(Math.min(...distances)));
  });
  svg.addEventListener("pointerleave", () => tell(null));
  svg.addEventListener("blur", () => tell(null));
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") tell(null);
    if (move === undefined) return;
    event.preventDefault();
    tell(at === null ? (move > 0 ? 0 : steps.length - 1) : Math.min(Math.max(at + move, 0), steps.length - 1));
  });
  svg.setAttribute("tabindex", 0);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${spec.title}: ${spec.note}. Arrow keys read the numbers.`);
  said.setAttribute("aria-live", "polite");
  return make("figure", { className: "card" }, make("h3", {}, spec.title), svg, said);
}

// spec: {title, note, across, points: [{name, colour, runs: [[x, y]]}]}: a large dot for the mean, small ones for runs
function scatterChart(spec) {
  const runs = spec.points.flatMap((each) => each.runs);
  const across = range(runs.map(([value]) => value), false);
  const { svg, x, y } = axes({
    across, down: range(runs.map(([, value]) => value), false), right: 14, acrossLabel: spec.across,
    acrossTicks: ticks(...across, 4).map((value) => [value, abbreviated(value)]),
    inside: (x, y) => spec.points.flatMap(({ colour, runs: own }) => own.length < 2 ? [] : own.map(([a, b]) =>
      shape("circle", { class: `seed fill-${colour}`, cx: x(a), cy: y(b), r: 2.5 }))),
  });
  const taken = [];
  for (const { name, colour, runs: own } of spec.points) {
    const [cx, cy] = [0, 1].map((axis) => own.reduce((sum, run) => sum + run[axis], 0) / own.length);
    const place = { x: x(cx), y: y(cy) };
    const title = shape("title", {}, `${name}: ${abbreviated(cx)}, ${cy.toFixed(2)}`);
    svg.append(shape("circle", { class: `fill-${colour}`, cx: place.x, cy: place.y, r: 5 }, title));
    const label = clipped(name, 22);
    const leftwards = place.x + 10 + label.length * LETTER > SIZE.width;
    let height = place.y + 4;
    while (taken.some((other) => Math.abs(other.y - height) < LINE && Math.abs(other.x - place.x) < 130)) height -= LINE;
    taken.push({ x: place.x, y: height });
    const side = leftwards ? { x: place.x - 9, "text-anchor": "end" } : { x: place.x + 9 };
    svg.append(shape("text", { class: `label ink-${colour}`, y: height, ...side }, label));
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${spec.title}, ${spec.note}`);
  return make("figure", { className: "card" }, make("h3", {}, spec.title), svg, make("p", { className: "said" }, spec.note));
}
