// Draws the figures a page carries as JSON, in the page's colours, and saves them as files.
// Computes nothing: every number comes from the server.

import { csvOf } from "./figure_csv.js";

/**
 * @typedef {object} Figure
 * @property {object[]} data traces; `meta.series` says which colour and symbol, `meta.look` more
 * @property {object} layout
 * @property {number} lines height of the plot in lines of text, without axis and legend
 * @property {Record<string, string>} columns names of x, y, z and text in the CSV
 */

// Distinguishable with any colour vision (after Okabe and Ito), darkened or lightened to keep
// contrast with the background; symbol and dash say the same without colour.
const COLOURS = {
  dark: ["#56b4e9", "#e69f00", "#35c496", "#f0a6d2", "#f0e442", "#ff8a5c", "#b9b9ff", "#c8c8c8"],
  light: ["#0072b2", "#a86400", "#007a58", "#a8407c", "#7d6d00", "#c24a00", "#5a4fcf", "#555555"],
};
const SYMBOLS = [
  "circle", "diamond", "square", "triangle-up", "x", "star", "triangle-down", "hexagon",
  "cross", "pentagon", "bowtie", "hourglass",
];
// From -1 over nothing to 1: two hues that nobody confuses, the stronger the further from 0. In grey
// a sign on the square tells below from above.
const SCALES = {
  dark: [[0, "#f0a050"], [0.5, "#2c3032"], [0.75, "#47626b"], [1, "#a8dcea"]],
  light: [[0, "#b35806"], [0.25, "#f1b877"], [0.5, "#f3f3f3"], [0.75, "#a9c6d1"], [1, "#0b4a5e"]],
};
const PAPER = { theme: "light", text: "#1d1d1d", line: "#cfcfcf", background: "#ffffff" };
const SAVED = { width: 960, scale: { png: 2, svg: 1 } };
const printing = matchMedia("print");

/** @param {HTMLElement} holder @returns {Figure} */
function figureOf(holder) {
  return JSON.parse(document.getElementById(holder.dataset.figure).textContent);
}

/** The page's own colours as they are now; those of paper when it is printed. */
function pageStyle() {
  const style = getComputedStyle(document.documentElement);
  const em = parseFloat(style.fontSize);
  if (printing.matches) return { ...PAPER, em };
  return {
    theme: document.documentElement.dataset.theme === "light" ? "light" : "dark",
    text: style.getPropertyValue("--text").trim(),
    line: style.getPropertyValue("--line").trim(),
    background: "rgba(0,0,0,0)",
    em,
  };
}

/** @param {Figure} figure */
function dressed(figure, style, width) {
  const { text, line, background, em } = style;
  const axis = { gridcolor: line, linecolor: line, tickcolor: line, fixedrange: true, automargin: true };
  const legend = figure.layout.showlegend ? legendRows(figure, width, em) : 0;
  const margin = { l: 3.2 * em, r: em, t: 0.6 * em, b: (3.4 + 1.5 * legend) * em };
  const labels = rowLabels(figure.layout.yaxis, width, em);
  const rows = labels.ticktext.length * (0.7 + 1.1 * labels.lines) * em;
  const layout = {
    ...figure.layout,
    ...axes(figure.layout, axis, width, em),
    shapes: (figure.layout.shapes ?? []).map((one) => ({
      ...one, layer: "below", line: { color: text, width: em / 14, dash: "dash" },
    })),
    font: { family: "system-ui, sans-serif", size: 0.85 * em, color: text },
    paper_bgcolor: background,
    plot_bgcolor: background,
    height: Math.max(figure.lines * 1.15 * em, rows) + margin.t + margin.b,
    margin,
    hoverlabel: { font: { size: 0.85 * em } },
    legend: {
      orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0,
      itemclick: false, itemdoubleclick: false,
    },
  };
  const data = figure.data.map((trace) => dress(trace, style, width));
  const room = (width / em - LEGEND_MARK) / CHARACTER;
  return { data: data.map((one) => ({ ...one, name: asText(shortened(one.name, room)) })), layout };
}

// Of the texts in a plot: mean width of a character and room for a mark of the legend, in em.
const CHARACTER = 0.5;
const LEGEND_MARK = 3.6;
// Names of rows take no more of a plot than this, in at most so many lines.
const NAMES = { share: 0.36, lines: 3 };

function axes({ xaxis, yaxis, ...layout }, axis, width, em) {
  const { ticktext, tickvals, wide } = rowLabels(yaxis, width, em);
  const x = { ...axis, tickangle: 0, ...xaxis };
  const room = width - (wide + 2) * em;
  if (xaxis.dtick && room / 11 < 1.7 * em) x.dtick = 2 * xaxis.dtick;
  if (xaxis.categoryarray) x.tickvals = someOf(xaxis.categoryarray, room, em);
  const y = { ...axis, ...yaxis };
  const dressed = { xaxis: x, yaxis: ticktext.length ? { ...y, tickmode: "array", ticktext, tickvals } : y };
  for (const [name, more] of Object.entries(layout)) {
    if (/^[xy]axis\d/.test(name)) dressed[name] = { ...axis, tickangle: 0, ...more };
  }
  return dressed;
}

/** As many names of columns as stand side by side, the last of them always. */
function someOf(names, room, em) {
  const every = Math.ceil((1.2 * em * names.length) / room);
  const last = names.length - 1;
  return names.filter((_, k) => k === last || (k % every === 0 && k <= last - every));
}

/** Names of the rows in lines that leave room for the plot; `wide` in em. */
function rowLabels({ categoryarray, ticktext, tickvals }, width, em) {
  const names = ticktext ?? categoryarray ?? [];
  const characters = Math.max(8, Math.floor((NAMES.share * width) / em / CHARACTER));
  const texts = names.map((name) => inLines(name, characters));
  return {
    tickvals: tickvals ?? names,
    ticktext: texts.map((lines) => lines.map(asText).join("<br>")),
    lines: Math.max(1, ...texts.map((lines) => lines.length)),
    wide: CHARACTER * Math.max(0, ...texts.flat().map((line) => line.length)),
  };
}

/** Of a difference each name has lines of its own. */
function inLines(name, characters) {
  if (name.length <= characters) return [name];
  const [first, second] = name.split(" − ");
  if (second) return [...broken(`${first} −`, characters, 2), ...broken(second, characters, 2)];
  return broken(name, characters, NAMES.lines);
}

function broken(name, characters, most) {
  const lines = [""];
  for (const word of shortened(name, (most - 0.3) * characters).match(/[^\s_-]*[\s_-]*/g)) {
    const line = lines.at(-1);
    if (line && lines.length < most && (line + word.trimEnd()).length > characters) lines.push(word);
    else lines[lines.length - 1] += word;
  }
  return lines.map((line) => shortened(line.trimEnd(), characters));
}

/** Without its middle: names that are alike mostly differ at their ends. */
function shortened(text, characters) {
  const most = Math.max(3, Math.floor(characters));
  if (text.length <= most) return text;
  const end = Math.floor((most - 1) / 2);
  return `${text.slice(0, most - 1 - end)}…${text.slice(text.length - end)}`;
}

/** Plotly would take a name with a < for markup. */
const asText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function dress(trace, style, width) {
  const { em, theme, text } = style;
  const place = trace.meta.series;
  const color = COLOURS[theme][place % COLOURS[theme].length];
  const symbol = SYMBOLS[place % SYMBOLS.length];
  if (trace.type === "heatmap") return heat(trace, style, width);
  if (trace.type === "box") {
    return {
      ...trace, line: { color, width: em / 9 }, fillcolor: "rgba(0,0,0,0)", boxmean: true,
      width: 0.2, hoverinfo: "x",
    };
  }
  const error = { color, thickness: em / 10, width: em / 4 };
  const looks = {
    "": { marker: { color, symbol, size: 0.62 * em }, line: { color, width: em / 9 } },
    outline: {
      marker: { color, symbol: "circle-open", size: 0.62 * em, line: { color, width: em / 9 } },
    },
    ring: {
      marker: { color: text, symbol: "circle-open", size: 1.05 * em, line: { color: text, width: em / 12 } },
      hoverinfo: "skip",
    },
    swarm: { marker: { color, symbol, size: 0.26 * em, opacity: 0.7 }, hoverinfo: "x" },
    curve: { line: { color: text, width: em / 9, dash: "dash" }, hoverinfo: "skip" },
    guide: { line: { color: text, width: em / 16, dash: "dot" }, hoverinfo: "skip" },
    missing: {
      marker: { color: text, symbol: "x-thin", size: 0.35 * em, line: { color: text, width: em / 16 } },
      hovertemplate: "%{y} with %{x}: no value<extra></extra>",
    },
  };
  return {
    ...trace,
    ...looks[trace.meta.look ?? ""],
    ...(trace.error_x && { error_x: { ...trace.error_x, ...error } }),
    ...(trace.error_y && { error_y: { ...trace.error_y, ...error } }),
  };
}

function heat(trace, { em, theme, text }, width) {
  const roomy = width / (trace.x.length + 2) > 2 * em;
  const scale = { colorscale: SCALES[theme], zmin: -1, zmax: 1, xgap: 1, ygap: 1 };
  // Plotly's own key has a gradient that would need a style in the markup: the policy forbids that.
  const common = { ...trace, ...scale, hoverongaps: false, showscale: false };
  if (trace.meta.look === "key") return { ...common, hoverinfo: "skip", xgap: 0 };
  return {
    ...common,
    text: trace.z.map((row) => row.map((r) => sign(r, roomy))),
    texttemplate: "%{text}",
    textfont: { size: (roomy ? 0.7 : 0.8) * em },
    hovertemplate: "%{y} with %{x}: %{z:.3f}<extra></extra>",
  };
}

/** What stands on a square: its number where there is room, and else whether it is below 0. */
function sign(r, roomy) {
  if (r === null) return "";
  if (roomy) return r.toFixed(2).replace("-", "−");
  return r < 0 ? "−" : "";
}

/** How many lines the legend will take, so that it never lies over the axis. */
function legendRows(figure, width, em) {
  const shown = figure.data.filter((trace) => trace.showlegend !== false);
  const needed = shown.map((trace) => (trace.name.length * CHARACTER + LEGEND_MARK) * em);
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
  if (!holder.clientWidth || !holder.isConnected) return; // folded away, or swapped out meanwhile
  const { data, layout } = dressed(figureOf(holder), pageStyle(), holder.clientWidth);
  Plotly.react(holder, data, { ...layout, width: holder.clientWidth }, { displayModeBar: false });
}

/** Saves in the colours of paper, whatever the page's theme, for a report. */
async function save(holder, format) {
  const figure = figureOf(holder);
  if (format === "csv") {
    const url = URL.createObjectURL(new Blob([csvOf(figure)], { type: "text/csv" }));
    download(url, `${holder.dataset.file}.csv`);
    URL.revokeObjectURL(url);
    return;
  }
  const { data, layout } = dressed(figure, { ...PAPER, em: 16 }, SAVED.width);
  const url = await Plotly.toImage(
    { data, layout: { ...layout, width: SAVED.width } },
    { format, width: SAVED.width, height: layout.height, scale: SAVED.scale[format] },
  );
  download(url, `${holder.dataset.file}.${format}`);
}

function download(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

const holders = () => [...document.querySelectorAll("[data-figure]")];
const drawAll = () => holders().forEach(draw);

/**
 * What is new on the page: room for all first, so that nothing moves, then one figure at a time, so
 * that nothing waits.
 */
async function drawNew() {
  const { em } = pageStyle();
  const waiting = holders().filter((one) => !one.classList.contains("js-plotly-plot"));
  for (const one of waiting) one.style.minHeight = `${(figureOf(one).lines * 1.15 + 4) * em}px`;
  for (const one of waiting) {
    draw(one);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

drawNew();
document.addEventListener("htmx:beforeSwap", (event) => {
  event.detail.target.querySelectorAll?.(".js-plotly-plot").forEach((one) => Plotly.purge(one));
});
document.addEventListener("htmx:afterSettle", drawNew);
document.addEventListener("midgrey:theme", drawAll);
printing.addEventListener("change", drawAll);
document.addEventListener("toggle", (event) => {
  event.target.querySelectorAll?.("[data-figure]").forEach(draw);
}, true);
let pending = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(drawAll);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-save]");
  if (button) save(button.closest("figure").querySelector("[data-figure]"), button.dataset.save);
});
