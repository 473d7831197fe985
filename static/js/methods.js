/** The Methods pages: choosing the place of the samples in a picture, proposing short names. */

/** A click into the map puts the middle of the window there. */
document.addEventListener("click", (event) => {
  const map = event.target.closest("#sample-map");
  if (!map) return;
  const box = map.getBoundingClientRect();
  const [, , width, height] = map.getAttribute("viewBox").split(" ").map(Number);
  const rect = map.querySelector("rect");
  const place = (id, share, size, window) => {
    const field = document.getElementById(id);
    const wanted = Math.round(share * size - window / 2);
    field.value = Math.max(0, Math.min(wanted, Number(field.max)));
  };
  place("sample-left", (event.clientX - box.left) / box.width, width, rect.width.baseVal.value);
  place("sample-top", (event.clientY - box.top) / box.height, height, rect.height.baseVal.value);
  document.getElementById("sample-top").dispatchEvent(new Event("change", { bubbles: true }));
});

/** @param {string} name */
const slug = (name) =>
  name.normalize("NFKD").toLowerCase().replace(/[\u0300-\u036f]/g, "").replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40).replace(/^-+|-+$/g, "");

for (const name of document.querySelectorAll("[data-proposes]")) {
  const field = document.getElementById(name.dataset.proposes);
  let proposed = field.value;
  name.addEventListener("input", () => {
    if (field.value && field.value !== proposed) return; // somebody chose another
    field.value = proposed = slug(name.value);
  });
}

document.querySelector("dialog[data-open-now]")?.showModal();
