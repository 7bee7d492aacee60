// What all pictures share: elements, numbers as text, ticks, axes, the box of words at the pointer.

const make = (name, attributes, ...inside) => {
  const one = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) one.setAttribute(key, value);
  one.append(...inside);
  return one;
};
const draw = (name, attributes, ...inside) => {
  const one = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes || {})) one.setAttribute(key, value);
  one.append(...inside);
  return one;
};
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const known = value => value !== null && value !== undefined && Number.isFinite(value);
const colour = at => page.colours[((at % page.colours.length) + page.colours.length) % page.colours.length];

const rgb = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));

// Five digits are enough everywhere; thousands are told apart.
function short(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e");
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}

function ticks(low, high, many) {
  const rough = (high - low) / Math.max(many, 1), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(one => one * power).find(one => one >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) found.push(Number((at * step).toPrecision(10)));
  return found;
}

function logTicks(low, high) {
  const found = [], wide = high / low;
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of wide < 8 ? [1, 2, 3, 4, 5, 6, 8] : wide < 200 ? [1, 2, 5] : [1]) {
      const value = Number((digit * 10 ** power).toPrecision(3));
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  return found.length > 1 ? found : [low, high];
}

// From numbers to places: linear, or logarithmic where that is wanted and all numbers are above 0.
function scale(low, high, from, to, log) {
  if (log) {
    const width = Math.log(high / low) || 1, place = value => from + (to - from) * Math.log(value / low) / width;
    return Object.assign(place, { ticks: () => logTicks(low, high), low, high });
  }
  const place = value => from + (to - from) * (value - low) / (high - low || 1);
  return Object.assign(place, { ticks: many => ticks(low, high, many), low, high });
}

function reach(values, log, room = 0.06) {
  const there = values.filter(known);
  if (!there.length) return [0, 1];
  let low = there[0], high = there[0];
  for (const value of there) { low = Math.min(low, value); high = Math.max(high, value); }
  if (log) return low === high ? [low / 2, high * 2] : [low / (high / low) ** room, high * (high / low) ** room];
  if (low === high) { const wide = Math.abs(low) * 0.1 || 1; return [low - wide, high + wide]; }
  const floor = low >= 0 && low - room * (high - low) < 0 ? 0 : low - room * (high - low);
  return [floor, high + room * (high - low)];
}

// An empty picture with axes: `x` and `y` say what they are, `left` is the room for the numbers of the upright one.
function frame(width, height, x, y, about) {
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": about.title || x.name });
  const box = { left: 48, right: width - 8, top: 20, bottom: height - 36 };
  const h = scale(...x.reach, box.left, box.right, x.log), v = scale(...y.reach, box.bottom, box.top, y.log);
  for (const value of v.ticks(5)) {
    svg.append(draw("line", { x1: box.left, x2: box.right, y1: v(value), y2: v(value), stroke: "var(--line)" }));
    svg.append(draw("text", { x: box.left - 6, y: v(value) + 4, "text-anchor": "end" }, short(value)));
  }
  const marks = x.ticks || h.ticks(Math.max(3, Math.floor((box.right - box.left) / 70)));
  for (const value of x.whole ? marks.filter(Number.isInteger) : marks)
    svg.append(draw("text", { x: h(value), y: box.bottom + 15, "text-anchor": "middle" }, short(value)));
  svg.append(draw("text", { x: (box.left + box.right) / 2, y: height - 5, "text-anchor": "middle" }, x.name));
  svg.append(draw("text", { x: 2, y: 11 }, y.name));
  return { svg, box, h, v };
}

const line = (points, h, v) => {
  let path = "", pen = "M";
  for (const [x, y] of points) {
    if (!known(x) || !known(y)) { pen = "M"; continue; }
    path += `${pen}${h(x).toFixed(1)} ${v(y).toFixed(1)}`;
    pen = "L";
  }
  return path;
};

function keys(entries) {
  const list = make("div", { class: "keys" });
  for (const [name, shade, kind] of entries) {
    const mark = make("i", kind ? { class: kind } : {});
    if (kind === "square") mark.style.background = shade; else mark.style.borderColor = shade;
    list.append(make("span", {}, mark, name));
  }
  return list;
}

const tip = document.getElementById("tip");
function say(event, text) {
  tip.textContent = text;
  tip.style.display = text ? "block" : "none";
  const wide = tip.offsetWidth, high = tip.offsetHeight;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - wide - 6))}px`;
  tip.style.top = `${event.clientY + 16 + high > innerHeight ? event.clientY - high - 10 : event.clientY + 16}px`;
}
const hush = () => { tip.style.display = "none"; };

function canvasFor(width, height, label) {
  const canvas = make("canvas", { role: "img", "aria-label": label }), dense = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  pen.font = "11px system-ui, sans-serif";
  return { canvas, pen };
}
