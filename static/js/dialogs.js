/**
 * Opens and closes <dialog> elements named by data-open-dialog; shared by all pages. One dialog
 * serves the rows of a list: data-post says what its form does, data-about what it asks about.
 */
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.openDialog);
    if (opener.dataset.post) dialog.querySelector("form").action = opener.dataset.post;
    for (const words of dialog.querySelectorAll("[data-about]")) words.textContent = opener.dataset.about;
    dialog.showModal();
  }
  const closer = event.target.closest("[data-close-dialog]");
  if (closer) closer.closest("dialog").close();
});
