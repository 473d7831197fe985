/** Two pictures in one canvas with a wipe line between them: source against PVS, frame by frame. */
const section = document.getElementById("compare");
if (section) {
  const element = (id) => document.getElementById(id);
  const canvas = element("wipe");
  const context = canvas.getContext("2d");
  const width = Number(section.dataset.width);
  const height = Number(section.dataset.height);
  const status = element("wipe-status");
  const help = status.textContent;
  let pictures = [];
  let wanted = 0;

  /** @param {string} clip @param {string} frame @returns {Promise<ImageBitmap>} */
  async function picture(clip, frame) {
    const response = await fetch(`/clips/${clip}/${frame}.png`);
    if (!response.ok) throw new Error(`Frame ${frame} could not be loaded (${response.status}).`);
    return createImageBitmap(await response.blob());
  }

  function draw() {
    const zoom = Number(element("zoom").value);
    const pixel = zoom / devicePixelRatio; // 1:1 means one picture pixel per device pixel
    canvas.width = width * zoom;
    canvas.height = height * zoom;
    canvas.style.width = `${width * pixel}px`;
    canvas.style.height = `${height * pixel}px`;
    context.imageSmoothingEnabled = false;
    const at = Math.round((Number(element("wipe-at").value) / 1000) * width);
    const [left, right] = pictures;
    if (!left || !right) return;
    context.drawImage(right, 0, 0, canvas.width, canvas.height);
    if (at > 0) context.drawImage(left, 0, 0, at, height, 0, 0, at * zoom, canvas.height);
    context.fillStyle = "rgb(255 255 255 / 70%)";
    context.fillRect(at * zoom - 1, 0, 2, canvas.height);
  }

  async function load() {
    const turn = ++wanted;
    element("frame-number").value = element("frame").value;
    try {
      const loaded = await Promise.all(
        ["left-side", "right-side"].map((side) => picture(element(side).value, element("frame").value)),
      );
      if (turn !== wanted) return;
      pictures = loaded;
      status.textContent = help;
      draw();
    } catch (error) {
      status.textContent = error.message;
    }
  }

  for (const id of ["left-side", "right-side", "frame"]) element(id).addEventListener("input", load);
  for (const id of ["zoom", "wipe-at"]) element(id).addEventListener("input", draw);
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && !event.buttons) return;
    element("wipe-at").value = (event.offsetX / canvas.clientWidth) * 1000;
    draw();
  });
  load();
}
