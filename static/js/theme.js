// Sets dark or light before the first paint; a plain script because it must not wait.
(() => {
  const stored = localStorage.getItem("midgrey-theme");
  const preferred = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = stored || preferred;
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-toggle-theme]")) return;
    const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("midgrey-theme", next);
    document.dispatchEvent(new CustomEvent("midgrey:theme", { detail: next }));
  });
})();
