// What the pages of runs and of translations have in common: wide tables say that they scroll, and nothing stays folded on
// paper.

function markWide(scroll) {
  const more = make("p", { className: "more", hidden: true }, "\u2194 Wider than the page: scroll sideways for more.");
  scroll.after(more);
  const look = () => {
    more.hidden = scroll.scrollWidth <= scroll.clientWidth + 1;
  };
  const observer = new ResizeObserver(look);
  for (const element of [scroll, ...scroll.children]) observer.observe(element);
  look();
}

document.querySelectorAll(".scroll").forEach(markWide);

const opened = [];
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
window.addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
});
