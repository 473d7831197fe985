// What makes the results page easy to read: the rule of a number beside it, folds that stay open
// when the numbers are computed again, and the section that is on screen marked in the contents.

const note = document.createElement("div");
note.className = "rule-note";
note.popover = "auto";
document.body.append(note);

/** Shows the rule a word leads to, below the word. @param {HTMLElement} term */
function tell(term) {
  note.textContent = term.title;
  if (!note.matches(":popover-open")) note.showPopover();
  const word = term.getBoundingClientRect();
  const box = note.getBoundingClientRect();
  note.style.left = `${Math.max(8, Math.min(word.left, innerWidth - box.width - 8))}px`;
  const below = word.bottom + 6;
  note.style.top = `${below + box.height > innerHeight ? word.top - box.height - 6 : below}px`;
}

document.addEventListener("click", (event) => {
  const term = event.target.closest("a.term");
  if (!term) return;
  event.preventDefault();
  tell(term);
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches("a.term:focus-visible")) tell(event.target);
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches("a.term")) note.hidePopover();
});

// A number's rule is that of its column or row.
document.addEventListener("mouseover", (event) => {
  const cell = event.target.closest?.("td.num:not([title])");
  if (!cell) return;
  const column = cell.closest("table").tHead?.rows[0].cells[cell.cellIndex];
  const term = column?.querySelector("a.term") ?? null;
  const own = cell.parentElement.querySelector("td a.term");
  cell.title = (own ?? term)?.title ?? "";
});

let open = new Set();
document.addEventListener("htmx:beforeSwap", () => {
  open = new Set([...document.querySelectorAll("#results details[open]")].map((one) => one.id));
});
document.addEventListener("htmx:afterSwap", () => {
  for (const one of document.querySelectorAll("#results details")) one.open = open.has(one.id);
  watch();
});

let watcher = null;
function watch() {
  watcher?.disconnect();
  const links = new Map(
    [...document.querySelectorAll(".sections a")].map((link) => [link.hash.slice(1), link]),
  );
  watcher = new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) {
        if (!isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(target.id).setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-15% 0px -75% 0px" },
  );
  for (const id of links.keys()) {
    const heading = document.getElementById(id);
    if (heading) watcher.observe(heading);
  }
}
watch();
