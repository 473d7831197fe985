// What the computer says of its own strength, where the browser passes it on. Hints for whoever
// looks for the cause of a missed refresh; no verdict depends on them.

const PRESSURES = ["nominal", "fair", "serious", "critical"];

export class Power {
  constructor() {
    /** @type {any} */
    this.battery = null;
    this.worst = -1;
    const page = /** @type {any} */ (navigator);
    page.getBattery?.().then((/** @type {any} */ found) => { this.battery = found; }, () => null);
    this.observe();
  }

  async observe() {
    const Observer = /** @type {any} */ (window).PressureObserver;
    if (!Observer) return;
    const observer = new Observer((/** @type {{state: string}[]} */ records) => {
      for (const { state } of records) this.worst = Math.max(this.worst, PRESSURES.indexOf(state));
    });
    await observer.observe("cpu", { sampleInterval: 1000 }).catch(() => null);
  }

  /** Since it was last asked. */
  told() {
    const { battery, worst } = this;
    this.worst = -1;
    return {
      charging: battery ? battery.charging : null,
      battery_level: battery ? battery.level : null,
      cpu_pressure: PRESSURES[worst] ?? null,
    };
  }
}
