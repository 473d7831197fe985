// Draws the figures a results page carries as JSON, in the page's colours, and saves them as files.
// Computes nothing: every number comes from the server.

/**
 * @typedef {object} Figure
 * @property {object[]} data
 * @property {object} layout
 * @property {number} lines height of the plot in lines of text, without axis and legend
 */

// Distinguishable with any colour vision (after Okabe and Ito), darkened or lightened to keep
// contrast with the background; the symbol says the same without colour.
const COLOURS = {
  dark: ["#56b4e9", "#e69f00", "#35c496", "#f0a6d2", "#f0e442", "#ff8a5c", "#b9b9ff", "#c8c8c8"],
  light: ["#0072b2", "#a86400", "#007a58", "#a8407c", "#7d6d00", "#c24a00", "#5a4fcf", "#555555"],
};
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "x", "star", "triangle-down", "hexagon"];
const PAPER = { text: "#1d1d1d", line: "#cfcfcf", background: "#ffffff" };
const SAVED = { width: 960, scale: { png: 2, svg: 1 } };

/** @param {HTMLElement} holder @returns {Figure} */
function figureOf(holder) {
  return JSON.parse(document.getElementById(holder.dataset.figure).textContent);
}

/** The page's own colours, as they are now. */
function pageStyle() {
  const style = getComputedStyle(document.documentElement);
  return {
    colours: COLOURS[document.documentElement.dataset.theme] ?? COLOURS.dark,
    text: style.getPropertyValue("--text").trim(),
    line: style.getPropertyValue("--line").trim(),
    background: "rgba(0,0,0,0)",
    em: parseFloat(style.fontSize),
  };
}

/** @param {Figure} figure */
function dressed(figure, { colours, text, line, background, em }, width) {
  const axis = { gridcolor: line, linecolor: line, tickcolor: line, fixedrange: true, automargin: true };
  const rows = figure.layout.showlegend ? legendRows(figure, width, em) : 0;
  const margin = { l: 3.2 * em, r: em, t: 0.6 * em, b: (3.4 + 1.5 * rows) * em };
  const layout = {
    ...figure.layout,
    xaxis: { ...axis, ...figure.layout.xaxis },
    yaxis: { ...axis, ...figure.layout.yaxis },
    font: { family: "system-ui, sans-serif", size: 0.85 * em, color: text },
    paper_bgcolor: background,
    plot_bgcolor: background,
    height: figure.lines * 1.15 * em + margin.t + margin.b,
    margin,
    hoverlabel: { font: { size: 0.85 * em } },
    legend: {
      orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0,
      itemclick: false, itemdoubleclick: false,
    },
  };
  const data = figure.data.map((trace) => {
    const place = trace.meta.series;
    const color = colours[place % colours.length];
    const error = { color, thickness: em / 10, width: em / 4 };
    return {
      ...trace,
      line: { color, width: em / 9 },
      marker: { color, symbol: SYMBOLS[place % SYMBOLS.length], size: 0.62 * em },
      ...(trace.error_x && { error_x: { ...trace.error_x, ...error } }),
      ...(trace.error_y && { error_y: { ...trace.error_y, ...error } }),
    };
  });
  return { data, layout };
}

/** How many lines the legend will take, so that it never lies over the axis. */
function legendRows(figure, width, em) {
  const needed = figure.data.map((trace) => (trace.name.length * 0.5 + 3.6) * em);
  let rows = 1;
  let used = 0;
  for (const one of needed) {
    if (used && used + one > width) {
      rows += 1;
      used = 0;
    }
    used += one;
  }
  return rows;
}

/** @param {HTMLElement} holder */
function draw(holder) {
  const { data, layout } = dressed(figureOf(holder), pageStyle(), holder.clientWidth);
  Plotly.react(holder, data, { ...layout, width: holder.clientWidth }, { displayModeBar: false });
}

/** Saves in the colours of paper, whatever the page's theme, for a report. */
async function save(holder, format) {
  const style = { colours: COLOURS.light, ...PAPER, em: 16 };
  const { data, layout } = dressed(figureOf(holder), style, SAVED.width);
  const url = await Plotly.toImage(
    { data, layout: { ...layout, width: SAVED.width } },
    { format, width: SAVED.width, height: layout.height, scale: SAVED.scale[format] },
  );
  const link = document.createElement("a");
  link.href = url;
  link.download = `${holder.dataset.file}.${format}`;
  link.click();
}

const drawAll = () => document.querySelectorAll("[data-figure]").forEach(draw);
drawAll();
document.addEventListener("htmx:afterSettle", drawAll);
document.addEventListener("midgrey:theme", drawAll);
let pending = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(drawAll);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-save]");
  if (button) save(button.closest("figure").querySelector("[data-figure]"), button.dataset.save);
});
