"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

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

// Between the two nearest inks; the style sheet has one set for light and one for dark screens.
function ink(weight) {
  const place = Math.min(Math.max(weight, 0), 1) * (data.inks - 1);
  const below = Math.min(Math.floor(place), data.inks - 2);
  const share = Math.round((place - below) * 100);
  return `color-mix(in srgb, var(--ink-${below + 1}) ${share}%, var(--ink-${below}))`;
}

function show(probe) {
  let current = probe.frames.length - 1;
  let at = null;
  let timer = null;

  const slider = make("input", { type: "range", min: 0, max: current, step: 1, value: current });
  const play = make("button", { type: "button", textContent: "Play" });
  const step = make("output", { className: "step" });
  const said = make("dd");
  const table = make("table", { className: "grid", tabIndex: 0 });
  const reading = make("p", { className: "reading" });
  slider.setAttribute("aria-label", "checkpoint");
  table.setAttribute("aria-label", "alignment");
  reading.setAttribute("aria-live", "polite");

  function draw() {
    const frame = probe.frames[current];
    step.textContent = `step ${frame.step.toLocaleString("en")}`;
    slider.value = current;
    slider.setAttribute("aria-valuetext", step.textContent);
    said.replaceChildren(word(frame.target.join(" ")));
    const head = make("tr", {}, make("td", { style: "border: 0" }));
    for (const [column, text] of probe.source.entries()) {
      const cell = make("th", { className: "source", scope: "col", title: text }, make("span", {}, word(text)));
      cell.dataset.column = column;
      head.append(cell);
    }
    const rows = frame.weights.map((weights, row) => {
      const name = make("th", { className: "target", scope: "row" }, word(frame.target[row]));
      name.dataset.row = row;
      const line = make("tr", {}, name);
      for (const [column, weight] of weights.entries()) {
        const cell = make("td");
        cell.style.backgroundColor = ink(weight / 1000);
        Object.assign(cell.dataset, { row, column });
        line.append(cell);
      }
      return line;
    });
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
    light(at);
  }

  // Light the row and the column of a place; either may be open (a word was pointed at), and null lights nothing.
  function light(place) {
    const frame = probe.frames[current];
    at = place && (place.row ?? 0) < frame.target.length ? place : null;
    for (const cell of table.querySelectorAll("[data-row], [data-column]")) {
      const inRow = at !== null && at.row !== undefined && cell.dataset.row === String(at.row);
      const inColumn = at !== null && at.column !== undefined && cell.dataset.column === String(at.column);
      cell.classList.toggle("lit", inRow || inColumn);
      cell.classList.toggle("at", inRow && inColumn);
    }
    reading.replaceChildren();
    if (at !== null && at.row !== undefined && at.column !== undefined) {
      const weight = (frame.weights[at.row][at.column] / 1000).toFixed(3);
      reading.append(word(probe.source[at.column]), " \u2192 ", word(frame.target[at.row]), `   ${weight}`);
    }
  }

  function placeOf(cell) {
    const number = (text) => (text === undefined ? undefined : Number(text));
    return cell && { row: number(cell.dataset.row), column: number(cell.dataset.column) };
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function start() {
    if (current === probe.frames.length - 1) current = 0;
    draw();
    play.textContent = "Stop";
    timer = setInterval(() => {
      current += 1;
      draw();
      if (current === probe.frames.length - 1) stop();
    }, 700);
  }

  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return light(null);
    const move = moves[event.key];
    if (move === undefined) return undefined;
    event.preventDefault();
    const within = (place, count) => Math.min(Math.max(place, 0), count - 1);
    const from = at === null ? { row: -move[0], column: -move[1] } : { row: at.row ?? 0, column: at.column ?? 0 };
    return light({
      row: within(from.row + move[0], probe.frames[current].target.length),
      column: within(from.column + move[1], probe.source.length),
    });
  });
  table.addEventListener("pointerover", (event) => light(placeOf(event.target.closest("[data-row], [data-column]"))));
  table.addEventListener("pointerleave", () => light(null));
  slider.addEventListener("input", () => {
    stop();
    current = Number(slider.value);
    draw();
  });
  play.addEventListener("click", () => (timer === null ? start() : stop()));
  play.disabled = slider.disabled = probe.frames.length < 2;

  const facts = make("dl", {}, make("dt", {}, "source"), make("dd", {}, word(probe.source.join(" "))));
  facts.append(make("dt", {}, "translation"), said);
  if (probe.reference !== null) facts.append(make("dt", {}, "reference"), make("dd", {}, word(probe.reference)));
  draw();
  return make(
    "article", { className: "probe" }, facts, make("div", { className: "controls" }, play, slider, step),
    make("div", { className: "scroll" }, table), reading,
  );
}

document.getElementById("probes").append(...data.probes.filter((probe) => probe.frames.length > 0).map(show));
