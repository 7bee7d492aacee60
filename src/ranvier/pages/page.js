// The raster, which has a choice of samples, and the page itself.

charts.Raster = (one, width, state) => {
  const neurons = one.starts[one.starts.length - 1], choice = make("select", { "aria-label": "Sample" });
  one.samples.forEach((sample, at) => choice.append(make("option", { value: at }, sample.title)));
  choice.value = state.sample = Math.min(state.sample || 0, one.samples.length - 1);
  const verdict = make("span"), holder = make("div");
  const of = neuron => one.starts.findLastIndex((start, at) => at < one.names.length && start <= neuron);
  const named = neuron => {
    const group = of(neuron), number = neuron - one.starts[group], last = one.outputs && group === one.names.length - 1;
    return `${one.names[group]} ${last && one.units[number] !== undefined ? one.units[number] : number}`;
  };
  const paint = () => {
    const sample = one.samples[state.sample], left = 84, gap = 10, above = sample.traces.length ? 130 : 0;
    const high = above + Math.max(230, Math.min(520, neurons * 7)), height = high + 44;
    const { canvas, pen } = canvasFor(width, height, `${one.title}: ${sample.title}`);
    canvas.className = "raster";
    // A population's room grows with the root of its size: few outputs stay apart beside many inputs.
    const sizes = one.names.map((_, at) => Math.sqrt(one.starts[at + 1] - one.starts[at]));
    const all = sizes.reduce((sum, size) => sum + size, 0), tall = high - above - gap * (one.names.length - 1), tops = [];
    let next = high;
    sizes.forEach((size, at) => { next -= tall * size / all; tops.push(next); next -= gap; });
    const row = neuron => {
      const at = of(neuron), count = one.starts[at + 1] - one.starts[at], room = tall * sizes[at] / all;
      return tops[at] + room * (1 - (neuron - one.starts[at] + 0.5) / count);
    };
    const x = scale(0, one.t_end, left, width - 10, false);
    one.names.forEach((name, at) => {
      const room = tall * sizes[at] / all, count = one.starts[at + 1] - one.starts[at];
      pen.fillStyle = style("--line");
      pen.globalAlpha = 0.35;
      pen.fillRect(left, tops[at], width - 10 - left, room);
      pen.globalAlpha = 1;
      pen.fillStyle = style("--soft");
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      const labels = one.outputs && at === one.names.length - 1 && one.units.length === count && room / count >= 11;
      if (labels) one.units.forEach((unit, place) => pen.fillText(unit.length > 12 ? unit.slice(0, 11) + "…" : unit, left - 6, row(one.starts[at] + place)));
      else pen.fillText(name.length > 12 ? name.slice(0, 11) + "…" : name, left - 6, tops[at] + room / 2);
    });
    const size = at => Math.max(1.5, Math.min(8, 0.8 * tall * sizes[at] / all / (one.starts[at + 1] - one.starts[at])));
    sample.time.forEach((time, at) => {
      const group = of(sample.neuron[at]), tallness = size(group), last = one.outputs && group === one.names.length - 1;
      pen.fillStyle = last ? colour(sample.neuron[at] - one.starts[group]) : style("--ink");
      pen.fillRect(x(time) - 0.9, row(sample.neuron[at]) - tallness / 2, last ? 3 : 1.8, tallness);
    });
    if (above) {
      const v = scale(...reach(sample.traces.flat(), false), above - gap, 4, false);
      pen.fillStyle = style("--soft");
      pen.textAlign = "right";
      for (const value of v.ticks(4)) pen.fillText(short(value), left - 6, v(value));
      sample.traces.forEach((values, at) => {
        pen.strokeStyle = colour(at);
        pen.stroke(new Path2D(line(values.map((value, place) => [one.times[place], value]), x, v)));
      });
    }
    pen.fillStyle = style("--soft");
    pen.textAlign = "center";
    for (const value of x.ticks(Math.max(3, Math.floor(width / 90)))) pen.fillText(short(value), x(value), high + 14);
    pen.fillText("time (ms)", (left + width) / 2, high + 34);
    canvas.addEventListener("pointermove", event => {
      const place = canvas.getBoundingClientRect(), [px, py] = [event.clientX - place.left, event.clientY - place.top];
      let near = -1, least = 12;
      sample.time.forEach((time, at) => {
        const far = Math.hypot(x(time) - px, row(sample.neuron[at]) - py);
        if (far < least) { least = far; near = at; }
      });
      const neuron = sample.neuron[near], mine = near < 0 ? [] : sample.time.filter((_, at) => sample.neuron[at] === neuron);
      say(event, near < 0 ? "" : `${named(neuron)} at ${short(sample.time[near])} ms\n${mine.length} spike${mine.length > 1 ? "s" : ""} of this neuron`);
    });
    canvas.addEventListener("pointerleave", hush);
    holder.replaceChildren(canvas);
    verdict.textContent = sample.right === null ? "" : sample.right ? "right" : "wrong";
    verdict.className = sample.right ? "right" : "wrong";
  };
  choice.addEventListener("change", () => { state.sample = Number(choice.value); paint(); });
  paint();
  const curves = one.samples[0] && one.samples[0].traces.length <= 12 ? one.samples[0].traces : [];
  const names = curves.map((_, at) => [one.units[at] ?? `output ${at}`, colour(at)]);
  return make("div", {}, make("div", { class: "bar" }, choice, verdict), ...(names.length ? [keys(names)] : []), holder);
};

const WIDE = ["Tiles", "Raster", "Notes"], states = new Map();
const shape = one => {
  if (one.kind === "Tiles") return "wide bare";
  if (WIDE.includes(one.kind) || (one.kind === "Table" && one.columns.length > 2)) return "wide";
  return ["Matrix", "Plane", "Table", "Points"].includes(one.kind) ? "half" : "";
};

function build() {
  document.getElementById("title").textContent = page.title;
  document.getElementById("words").textContent = page.words;
  page.sections.forEach((section, at) => {
    document.getElementById("contents").append(make("a", { href: `#part${at}` }, section.title));
    const grid = make("div", { class: "figures" });
    for (const one of section.figures) {
      const holder = make("div"), box = make("figure", { class: shape(one) });
      if (one.title) box.append(make("h3", {}, one.title));
      box.append(holder);
      if (one.note) box.append(make("figcaption", {}, one.note));
      grid.append(box);
      states.set(one, { holder });
    }
    const words = section.words ? [make("p", {}, section.words)] : [];
    document.getElementById("main").append(make("h2", { id: `part${at}` }, section.title), ...words, grid);
  });
}

function paintAll(force) {
  for (const [one, state] of states) {
    const width = Math.floor(state.holder.clientWidth);
    if (width === state.width && !force) continue;
    state.width = width;
    state.holder.replaceChildren(charts[one.kind](one, Math.max(width, 200), state));
  }
}

const page = JSON.parse(document.getElementById("data").textContent), root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  paintAll(true);
});
dark.addEventListener("change", () => paintAll(true));
addEventListener("resize", () => paintAll(false));
addEventListener("scroll", hush, { passive: true });
if (location.hash === "#dark" || location.hash === "#light") root.dataset.theme = location.hash.slice(1);
build();
paintAll(true);
root.dataset.ready = String(document.querySelectorAll("figure").length);
