// The data of a figure as CSV: a row per point, under the names the figure gives its columns.

// A spreadsheet takes a text that begins so for a formula and runs it.
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

// A box says what its points say; guides, keys and marks of what is missing say nothing.
const DRAWN_ONLY = new Set(["box", "guide", "key", "missing"]);

/** @param {{data: object[], columns: Record<string, string>}} figure @returns {string} */
export function csvOf(figure) {
  const data = figure.data.filter((trace) => !DRAWN_ONLY.has(trace.meta.look));
  const rows = data.flatMap((trace) => (trace.z ? ofMap(trace) : ofPoints(trace)));
  const used = ["series", "text", "x", "low", "high", "y", "low_y", "high_y", "z"].filter((name) =>
    rows.some((row) => row[name] !== undefined),
  );
  const title = (name) => figure.columns[name] ?? name;
  const lines = [used.map(title), ...rows.map((row) => used.map((name) => row[name] ?? ""))];
  return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

function ofMap(trace) {
  return trace.y.flatMap((y, row) => trace.x.map((x, column) => ({ x, y, z: trace.z[row][column] })));
}

function ofPoints(trace) {
  return trace.x.map((x, place) => ({
    series: trace.meta.row ? undefined : trace.name,
    text: trace.text?.[place],
    x,
    ...reach(x, trace.error_x, place, "low", "high"),
    y: trace.meta.row ?? trace.y[place],
    ...reach(trace.y[place], trace.error_y, place, "low_y", "high_y"),
  }));
}

/** Ends of the interval of one point. */
function reach(value, error, place, low, high) {
  if (!error || error.array[place] === null || value === null) return {};
  const down = (error.arrayminus ?? error.array)[place];
  return { [low]: rounded(value - down), [high]: rounded(value + error.array[place]) };
}

const rounded = (value) => Number(value.toPrecision(7));

function cell(value) {
  const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
