// What is wider than the page is scrolled by itself, and with the keyboard too.
function scrollable() {
  for (const formula of document.querySelectorAll("span.math")) {
    const paragraph = formula.parentElement;
    formula.classList.toggle("wide", formula.scrollWidth > paragraph.clientWidth);
  }
  for (const box of document.querySelectorAll("div.math, span.math.wide, .output, .text_html, pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}
window.addEventListener("load", async () => {
  if (window.MathJax) await MathJax.startup.promise;
  scrollable();
  window.addEventListener("resize", scrollable);
  document.addEventListener("toggle", scrollable, true); // what was folded had no width
});
