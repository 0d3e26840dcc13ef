// Elements, words and small charts. Whatever comes from the tree is hostile text: it goes into
// textContent and nowhere else.

export const POINTS = 120;  // of each chart, a second each

export const TONES = {
  running: "good", new: "idle", stopped: "idle", starting: "busy", stopping: "busy",
  restarting: "warn", crashed: "bad", abandoned: "bad", stuck: "bad",
};

export function element(tag, className = "", text = undefined) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// ---- put something into the page, if it is something new ------------------------------------

export function say(node, text) {
  if (node.lastSaid !== text) { node.lastSaid = text; node.textContent = text; }
}

export function mark(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

export function style(node, name, value) {
  const cache = (node.lastStyles ??= {});
  if (cache[name] !== value) { cache[name] = value; node.style.setProperty(name, value); }
}

export function describe(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// As many parts in `home` as there are `items`, each updated with its own.
export function fit(home, items, make) {
  const parts = (home.parts ??= []);
  while (parts.length > items.length) parts.pop().node.remove();
  while (parts.length < items.length) {
    parts.push(make());
    home.append(parts.at(-1).node);
  }
  items.forEach((item, n) => parts[n].update(item));
}

// The same for parts that are told apart by a key: whoever stays keeps its node, and its focus.
export function fitKeyed(home, items, keyOf, make) {
  const old = home.partsByKey ?? new Map();
  home.partsByKey = new Map();
  let next = home.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const part = old.get(key) ?? make(item);
    old.delete(key);
    home.partsByKey.set(key, part);
    if (part.node === next) next = next.nextElementSibling;
    else home.insertBefore(part.node, next);
    part.update(item);
  }
  for (const part of old.values()) part.node.remove();
}

// ---- numbers as words -----------------------------------------------------------------------

export const NOTHING = "–";

export function count(value) {
  return value.toLocaleString("en");
}

export function rate(value) {
  if (!Number.isFinite(value)) return NOTHING;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  if (value >= 100) return count(Math.round(value));
  return value.toFixed(1).replace(/\.0$/, "");
}

export function brief(seconds) {
  if (seconds === 0) return NOTHING;  // a lag that nothing has measured yet
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 0.01) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  return `${seconds.toFixed(1)} s`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86400), hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60, rest = whole % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${rest} s`;
  return `${rest} s`;
}

export function utc(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return String(iso);
  return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

// ---- charts ---------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;
const HEADROOM = 4;  // so that the line's own width is not cut off at either end

// The line through `values` and the area below it, the newest at the right. NaN is a gap.
export function trace(values, top) {
  const shift = POINTS - values.length;
  const pieces = [];
  let run = [];
  values.forEach((value, index) => {
    if (Number.isNaN(value)) {
      if (run.length) pieces.push(run);
      run = [];
    } else {
      const y = HEIGHT - HEADROOM - Math.min(value / top, 1) * (HEIGHT - 2 * HEADROOM);
      run.push([shift + index, y.toFixed(1)]);
    }
  });
  if (run.length) pieces.push(run);
  let line = "", area = "";
  for (const piece of pieces) {
    const path = piece.map(([x, y]) => `${x} ${y}`).join("L");
    line += `M${path}${piece.length === 1 ? "h.01" : ""}`;
    area += `M${piece[0][0]} ${HEIGHT}L${path}L${piece.at(-1)[0]} ${HEIGHT}Z`;
  }
  return { line, area };
}

// A column for each value that is not 0.
export function columns(values, top) {
  const shift = POINTS - values.length;
  let area = "";
  values.forEach((value, index) => {
    if (!(value > 0)) return;
    const x = shift + index - 0.5, y = HEIGHT - Math.min(value / top, 1) * (HEIGHT - HEADROOM);
    area += `M${x} ${HEIGHT}V${y.toFixed(1)}H${x + 1.4}V${HEIGHT}Z`;
  });
  return { line: "", area };
}

export class Chart {
  // `floor`: the smallest value that the height stands for, so that noise looks like noise.
  constructor({ className = "", floor = 1, bars = false } = {}) {
    this.floor = floor;
    this.bars = bars;
    this.node = document.createElementNS(SVG, "svg");
    this.node.setAttribute("class", `chart ${className}${bars ? " bars" : ""}`);
    this.node.setAttribute("viewBox", `0 0 ${POINTS - 1} ${HEIGHT}`);
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("aria-hidden", "true");  // the number stands beside it
    this.area = this.node.appendChild(document.createElementNS(SVG, "path"));
    this.line = this.node.appendChild(document.createElementNS(SVG, "path"));
    this.area.setAttribute("class", "area");
    this.line.setAttribute("class", "line");
  }

  draw(values) {
    this.top = this.floor;
    for (const value of values) if (value > this.top) this.top = value;
    const { line, area } = (this.bars ? columns : trace)(values, this.top);
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}
