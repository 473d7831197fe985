// What makes the results page easy to read: the rule of a number beside it, a sign while numbers are
// computed, folds that stay open then, and the section that is on screen marked in the contents.

const note = document.createElement("div");
note.className = "rule-note";
note.popover = "auto";
document.body.append(note);

/** Shows a rule below what it is about. @param {HTMLElement} about @param {string} rule */
function tell(about, rule) {
  note.textContent = rule;
  if (!note.matches(":popover-open")) note.showPopover();
  const word = about.getBoundingClientRect();
  const box = note.getBoundingClientRect();
  note.style.left = `${Math.max(8, Math.min(word.left, innerWidth - box.width - 8))}px`;
  const below = word.bottom + 6;
  note.style.top = `${below + box.height > innerHeight ? word.top - box.height - 6 : below}px`;
}

document.addEventListener("click", (event) => {
  const term = event.target.closest(".term");
  if (term) {
    event.preventDefault();
    tell(term, term.title);
    return;
  }
  const cell = event.target.closest("#results td");
  if (!cell || event.target.closest("a, button, input, label")) return;
  if (ruleOf(cell)) tell(cell, ruleOf(cell));
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches(".term:focus-visible")) tell(event.target, event.target.title);
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches(".term")) note.hidePopover();
});

/** That of a number is its row's or its column's. @param {HTMLTableCellElement} cell */
function ruleOf(cell) {
  if (cell.title || !cell.matches(".num")) return cell.title;
  const own = cell.parentElement.querySelector("td a.term");
  const column = cell.closest("table").tHead?.rows[0].cells[cell.cellIndex];
  return (own ?? column?.querySelector("a.term"))?.title ?? "";
}
document.addEventListener("mouseover", (event) => {
  const cell = event.target.closest?.("#results td.num");
  if (cell) cell.title = ruleOf(cell);
});

// The numbers on the page are those of before until the new ones are there, and stay so when the
// server does not answer; then the choice goes back to what the numbers show.
document.addEventListener("htmx:beforeRequest", ({ target }) => {
  if (target.id !== "results") return;
  target.setAttribute("aria-busy", "true");
  document.getElementById("not-computed").hidden = true;
});
for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, ({ target }) => {
    if (target.id !== "results") return;
    target.removeAttribute("aria-busy");
    target.reset();
    document.getElementById("not-computed").hidden = false;
    document.getElementById("not-computed").scrollIntoView({ block: "nearest" });
  });
}

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
