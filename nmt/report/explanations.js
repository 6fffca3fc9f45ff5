// Translations with attention, gradient and erasure side by side, each picture with a switch for what it shows.

const MAPS = {
  attention: "attention",
  gradient: "gradient",
  erase_input: "erasure from the input",
  erase_memory: "erasure from the memory",
};

// One of the pictures: `choice` is {variant, run, map}; `pointed` hears of the place under the pointer.
function explanation(choice, redraw, pointed) {
  const drawn = grid((place) => pointed(choice, place));
  const said = make("p", { className: "sentence" });
  const reading = make("p", { className: "reading" });
  reading.setAttribute("aria-live", "polite");
  const runs = data.variants.flatMap((variant, number) => variant.runs.map((run, place) => ({ variant, number, run, place })));
  const having = runs.filter((each) => each.run.explanations.length > 0);
  const names = having.map((each) => (each.variant.runs.length > 1 ? `${each.variant.short}, seed ${each.run.seed}` : each.variant.short));
  const choices = having.length > 1 ? [select("variant", names, choice.place, (place) => { choice.place = place; redraw(); })] : [];
  const maps = Object.keys(MAPS);
  choices.push(select("what is shown", Object.values(MAPS), maps.indexOf(choice.map), (place) => { choice.map = maps[place]; redraw(); }));
  let now = null;

  function draw(title) {
    const found = having[choice.place].run.explanations.find((each) => each.source.join(" ") === title);
    drawn.table.hidden = found === undefined;
    said.replaceChildren(found === undefined ? "This sentence was not explained here." : word(found.target.slice(0, -1).join(" ")));
    now = found && { source: found.source, target: found.target, links: {}, weights: rows(found.maps[choice.map], found.target.length, found.source.length) };
    if (now) drawn.draw(now);
  }

  function light(place) {
    drawn.light(place);
    reading.replaceChildren();
    if (!now || place === null || place.row === undefined || place.column === undefined || place.row >= now.target.length) return;
    const weight = now.weights[place.row][place.column].toFixed(2);
    reading.append(word(now.source[place.column]), " \u2192 ", word(now.target[place.row]), " ", make("b", {}, weight));
  }

  const scroll = make("div", { className: "scroll" }, drawn.table);
  const element = make("figure", { className: "panel" }, make("figcaption", {}, ...choices), said, scroll, reading);
  return { element, draw, light, choice };
}

function explanations() {
  const titles = [...new Set(data.variants.flatMap((variant) => variant.runs.flatMap((run) => run.explanations.map((each) => each.source.join(" ")))))];
  if (titles.length === 0) return;
  let shown = 0;
  const redraw = () => pictures.forEach((each) => each.draw(titles[shown]));
  // The same run has the same words on both sides; another one has those of the source.
  const pointed = (from, place) => pictures.forEach((each) => {
    each.light(place && each.choice.place !== from.place ? { column: place.column } : place);
  });
  const pictures = ["attention", "gradient", "erase_input"].map((map) => explanation({ place: 0, map }, redraw, pointed));
  function choose(place) {
    shown = place;
    chooser.selectedIndex = place;
    [before.disabled, after.disabled] = [place === 0, place === titles.length - 1];
    redraw();
  }
  const chooser = select("sentence", titles.map((title, place) => `${place + 1}. ${title.split(" ").slice(0, -1).join(" ")}`), 0, choose);
  const before = make("button", { type: "button", textContent: "\u2039", title: "sentence before" });
  const after = make("button", { type: "button", textContent: "\u203a", title: "next sentence" });
  before.addEventListener("click", () => choose(shown - 1));
  after.addEventListener("click", () => choose(shown + 1));
  section(
    "faithfulness", make("div", { className: "controls sentences" }, before, chooser, after),
    make("div", { className: "controls" }, make("div", { className: "key" }, scale())),
    make("div", { className: "panels" }, ...pictures.map((each) => each.element)),
  );
  choose(0);
}

explanations();
