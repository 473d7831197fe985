// When each picture was on the screen, as the browser tells it afterwards.
//
// A picture that was painted in time can still be overtaken by the next one on its way to the
// screen, and no refresh tells. But Chromium tells of a new element when it was first on the screen
// (Element Timing), taken from what its compositor hears back from the screen. So a letter in the
// grey of the page is put beneath the canvas with each picture: both travel in the same frame.

const PATIENCE = 500; // ms; usually it takes two refreshes
const MOST_AWAITED = 200;
const PLACE = {
  position: "absolute", inset: "0 auto auto 0", width: "4px", height: "4px", overflow: "hidden",
  contain: "strict", font: "4px sans-serif", color: "rgb(128, 128, 128)",
};

export class Arrivals {
  /** @param {HTMLElement} canvas that the pictures are painted on */
  constructor(canvas) {
    this.place = document.createElement("div");
    this.place.setAttribute("aria-hidden", "true");
    Object.assign(this.place.style, PLACE);
    canvas.before(this.place);
    /** @type {Map<number, number>} */
    this.times = new Map();
    /** @type {Map<number, HTMLElement>} */
    this.awaited = new Map();
    this.marks = 0;
    this.ontold = () => {};
    if (!Arrivals.told) return;
    this.observer = new PerformanceObserver((list) => {
      for (const entry of /** @type {any[]} */ (list.getEntries())) this.hear(entry);
    });
    this.observer.observe({ type: "element" });
  }

  /** Whether this browser tells at all. */
  static get told() {
    return PerformanceObserver.supportedEntryTypes.includes("element");
  }

  /** @param {{identifier: string, renderTime: number}} entry */
  hear({ identifier, renderTime }) {
    const mark = Number(identifier);
    if (!this.awaited.has(mark)) return;
    if (renderTime) this.times.set(mark, renderTime); // 0: painted, but never on a screen
    this.forget(mark);
    this.ontold();
  }

  /** @param {number} mark */
  forget(mark) {
    this.awaited.get(mark)?.remove();
    this.awaited.delete(mark);
  }

  /** Go with the picture that is painted now. @returns {number} */
  mark() {
    const mark = this.marks++;
    const letter = document.createElement("b");
    letter.textContent = "·";
    letter.style.position = "absolute";
    letter.setAttribute("elementtiming", String(mark));
    this.place.append(letter);
    this.awaited.set(mark, letter);
    if (this.awaited.size > MOST_AWAITED) this.forget(mark - MOST_AWAITED);
    return mark;
  }

  /** Begin anew. */
  clear() {
    for (const mark of [...this.awaited.keys()]) this.forget(mark);
    this.times.clear();
  }

  /** When the picture of a mark was on the screen, in the time of refreshes.
   * @param {number} mark @returns {number|null} */
  at(mark) {
    return this.times.get(mark) ?? null;
  }

  /** All that was marked is told, or will not be. @returns {Promise<void>} */
  settled() {
    if (!Arrivals.told) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => { if (!this.awaited.size) resolve(); };
      this.ontold = look;
      setTimeout(resolve, PATIENCE);
      look();
    });
  }
}
