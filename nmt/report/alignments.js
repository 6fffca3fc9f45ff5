// The alignments: a sentence, a checkpoint, and two pictures side by side, each of a variant, a seed and a way to decode.

const WAYS = ["the reference, forced", "its own translation"];

// base64 of deflated JSON, as nmt.report.packing made it: for each run its frames.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// "0-1 2p3" (source, target): a dash is sure, a p possible.
function goldLinks(line) {
  const links = {};
  for (const [, source, mark, target] of (line ?? "").matchAll(/(\d+)([-p])(\d+)/g)) {
    links[`${target},${source}`] = mark === "-" ? "sure" : "possible";
  }
  return links;
}

// One of the two pictures. `choice` is {variant, run, way}; `pointed` hears of the place under the pointer.
function picture(choice, redraw, pointed) {
  const drawn = grid((place) => pointed(choice, place));
  const said = make("p", { className: "sentence" });
  const missing = make("p", { className: "hint" });
  const thumbs = make("div", { className: "thumbs" });
  const reading = make("p", { className: "reading" });
  reading.setAttribute("aria-live", "polite");
  const seeds = make("span");
  const pick = (key) => (place) => {
    choice[key] = place;
    if (key === "variant") choice.run = 0;
    seedChoice();
    redraw();
  };
  function seedChoice() {
    const options = data.variants[choice.variant].runs.map((run) => `seed ${run.seed}`);
    seeds.replaceChildren(...(options.length > 1 ? [select("seed", options, choice.run, pick("run"))] : []));
  }
  seedChoice();
  const variants = data.variants.map((variant) => variant.short);
  const choices = several ? [select("variant", variants, choice.variant, pick("variant"))] : [];
  choices.push(seeds, select("translation", WAYS, choice.way, pick("way")));
  let now = null;

  function draw(probe, frames, step, gold) {
    const before = data.variants.slice(0, choice.variant).reduce((sum, variant) => sum + variant.runs.length, 0);
    const frame = frames[before + choice.run].findLast((each) => each[0] <= step);
    const given = [...probe.reference.split(/\s+/u).filter((text) => text !== ""), "</s>"];
    const target = choice.way === 0 ? given : frame?.[1];
    const hex = choice.way === 0 ? frame?.[3] : frame?.[2];
    const there = typeof hex === "string" && hex.length === target.length * probe.source.length * 2;
    const isGrid = probe.picture && !isStrip(probe.picture);
    drawn.table.hidden = !there || isGrid;
    thumbs.replaceChildren();
    said.replaceChildren(there ? word(target.slice(0, -1).join(" ")) : "");
    missing.textContent = there ? "" : "Nothing was drawn here for this checkpoint.";
    now = null;
    if (!there) return;
    const links = gold && target.join(" ") === given.join(" ") ? goldLinks(probe.gold) : {};
    now = { source: probe.source, target, weights: rows(hex, target.length, probe.source.length), links };
    if (isGrid) thumbs.replaceChildren(...gallery(probe.picture, now));
    else drawn.draw({ ...now, picture: probe.picture });
  }

  function light(place) {
    drawn.light(place);
    reading.replaceChildren();
    if (now === null || place === null || drawn.table.hidden) return;
    if (place.row !== undefined && place.column !== undefined && place.row < now.target.length) {
      const weight = now.weights[place.row][place.column].toFixed(2);
      reading.append(word(now.source[place.column]), " \u2192 ", word(now.target[place.row]), " ", make("b", {}, weight));
    }
  }

  const head = make("figcaption", {}, ...choices);
  const scroll = make("div", { className: "scroll" }, drawn.table);
  return { element: make("figure", { className: "panel" }, head, said, missing, scroll, thumbs, reading), draw, light, choice };
}

// The line of a source that is a picture, else its words.
function nameSource(probe) {
  return probe.picture?.line ?? probe.source.slice(0, -1).join(" ");
}

function alignments() {
  let frames = null;
  let steps = [];
  let timer = null;
  const state = { sentence: 0, gold: true, step: Infinity };
  const probe = () => data.probes[state.sentence];

  const redraw = () => frames !== null && pictures.forEach((each) => each.draw(probe(), frames, state.step, state.gold));
  // Words are the same on both sides: those of the source always, those of the target where both are forced.
  const pointed = (from, place) => pictures.forEach((each) => {
    const alike = each.choice === from || (each.choice.way === 0 && from.way === 0);
    each.light(place && !alike ? { column: place.column } : place);
  });
  const second = several ? { variant: 1, run: 0, way: 0 } : { variant: 0, run: 0, way: 1 };
  const pictures = [{ variant: 0, run: 0, way: 0 }, second].map((choice) => picture(choice, redraw, pointed));

  const slider = make("input", { type: "range", min: 0, step: 1 });
  slider.setAttribute("aria-label", "checkpoint");
  const play = make("button", { type: "button", className: "play", textContent: "Play" });
  const output = make("output", { className: "step" });
  const source = make("dd");
  const reference = make("dd");

  function go(place) {
    state.step = steps[place];
    slider.value = place;
    output.textContent = `step ${state.step.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", output.textContent);
    redraw();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function startPlaying() {
    if (Number(slider.value) === steps.length - 1) go(0);
    play.textContent = "Stop";
    timer = setInterval(() => {
      go(Number(slider.value) + 1);
      if (Number(slider.value) === steps.length - 1) stop();
    }, Math.min(Math.max(8000 / steps.length, 120), 700));
  }

  async function choose(sentence) {
    stop();
    state.sentence = sentence;
    chooser.selectedIndex = sentence;
    [before.disabled, after.disabled] = [sentence === 0, sentence === data.probes.length - 1];
    const found = await unpacked(probe().data);
    if (state.sentence !== sentence) return; // another was chosen meanwhile
    frames = found;
    steps = [...new Set(frames.flat().map((frame) => frame[0]))].sort((a, b) => a - b);
    slider.max = steps.length - 1;
    play.disabled = slider.disabled = steps.length < 2;
    source.replaceChildren(word(nameSource(probe())));
    reference.replaceChildren(word(probe().reference));
    const place = steps.findLastIndex((step) => step <= state.step);
    go(place < 0 ? 0 : place);
  }

  const titles = data.probes.map((each, place) => `${place + 1}. ${nameSource(each)}`);
  const chooser = select("sentence", titles, 0, choose);
  const before = make("button", { type: "button", textContent: "‹", title: "sentence before" });
  const after = make("button", { type: "button", textContent: "›", title: "next sentence" });
  before.addEventListener("click", () => choose(state.sentence - 1));
  after.addEventListener("click", () => choose(state.sentence + 1));
  slider.addEventListener("input", () => {
    stop();
    go(Number(slider.value));
  });
  play.addEventListener("click", () => (timer === null ? startPlaying() : stop()));

  const key = make("div", { className: "key" }, scale());
  if (data.probes.some((each) => each.gold !== null)) {
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      state.gold = box.checked;
      redraw();
    });
    const sample = (name) => make("span", { className: `sample ${name}` });
    key.append(make("label", { className: "gold" }, box, " gold links: ", sample("sure"), " sure ", sample("possible"), " possible"));
  }
  const text = make("dl", { className: "text" }, make("dt", {}, "source"), source, make("dt", {}, "reference"), reference);
  const thinned = data.every > 1 ? [make("p", { className: "hint" }, `One of ${data.every} checkpoints is shown.`)] : [];
  section(
    "alignments", make("div", { className: "controls sentences" }, before, chooser, after), text,
    make("div", { className: "controls" }, play, slider, output, key), ...thinned,
    make("div", { className: "panels" }, ...pictures.map((each) => each.element)),
  );
  return choose(0);
}

if (data.probes.length > 0) alignments();
