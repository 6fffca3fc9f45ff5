// Translations with the attention of each, one at a time.

const data = JSON.parse(document.getElementById("data").textContent);

function sentences() {
  let shown = null;
  const reading = make("p", { className: "reading" });
  reading.setAttribute("aria-live", "polite");
  const drawn = grid((place) => {
    drawn.light(place);
    reading.replaceChildren();
    if (place === null || place.row === undefined || place.column === undefined) return;
    const weight = shown.weights[place.row][place.column].toFixed(2);
    reading.append(word(shown.source[place.column]), " \u2192 ", word(shown.target[place.row]), " ", make("b", {}, weight));
  });
  const source = make("dd");
  const translation = make("dd");

  function choose(place) {
    const { source: over, target, weights } = data.sentences[place];
    shown = { source: over, target, weights: rows(weights, target.length, over.length), links: {} };
    chooser.selectedIndex = place;
    [before.disabled, after.disabled] = [place === 0, place === data.sentences.length - 1];
    source.replaceChildren(word(over.slice(0, -1).join(" ")));
    translation.replaceChildren(word(target.slice(0, -1).join(" ")));
    reading.replaceChildren();
    drawn.draw(shown);
  }

  const titles = data.sentences.map((each) => each.label ?? `${each.number}. ${each.source.slice(0, -1).join(" ")}`);
  const chooser = select("sentence", titles, 0, choose);
  const before = make("button", { type: "button", textContent: "‹", title: "sentence before" });
  const after = make("button", { type: "button", textContent: "›", title: "next sentence" });
  before.addEventListener("click", () => choose(chooser.selectedIndex - 1));
  after.addEventListener("click", () => choose(chooser.selectedIndex + 1));
  const text = make("dl", { className: "text" }, make("dt", {}, "source"), source, make("dt", {}, "translation"), translation);
  const section = document.getElementById("sentences");
  section.append(
    make("div", { className: "controls sentences" }, before, chooser, after), text,
    make("div", { className: "controls" }, make("div", { className: "key" }, scale())),
    make("figure", { className: "panel" }, make("div", { className: "scroll" }, drawn.table), reading),
  );
  section.hidden = false;
  choose(0);
}

if (data.sentences.length > 0) sentences();
