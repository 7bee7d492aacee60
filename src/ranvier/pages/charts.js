// One function for each kind of figure: from its values and its width to an element.

const charts = {
  Tiles(one) {
    const box = make("div", { class: "tiles" });
    for (const tile of one.tiles)
      box.append(make("div", { class: "tile" }, make("span", {}, tile.name), make("b", {}, tile.value), make("span", {}, tile.note)));
    return box;
  },

  Table(one) {
    const kind = at => (at >= one.numbers ? { class: "number" } : {});
    const head = make("tr", {}, ...one.columns.map((name, at) => make("th", { scope: "col", ...kind(at) }, name)));
    const rows = one.rows.map(row => make("tr", {}, ...row.map((text, at) => make("td", kind(at), text))));
    return make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  },

  Notes(one) {
    const list = make("dl");
    for (const [head, text] of one.words) list.append(...(head ? [make("dt", {}, head)] : []), make("dd", {}, text));
    return list;
  },

  Lines(one, width) {
    const values = one.series.flatMap(series => series.values).concat(known(one.level) ? [one.level] : []);
    const there = values.filter(known), least = there.reduce((a, b) => Math.min(a, b), Infinity);
    const log = one.log && least > 0 && there.reduce((a, b) => Math.max(a, b), 0) > 4 * least;
    const ends = reach(one.at, false, 0), height = 230;
    const { svg, box, h, v } = frame(width, height, { name: one.x, reach: ends, whole: one.x === "epoch" }, { name: one.y, reach: reach(values, log), log }, one);
    if (known(one.mark)) svg.append(draw("line", { x1: h(one.mark), x2: h(one.mark), y1: box.top, y2: box.bottom, stroke: "var(--soft)", "stroke-dasharray": "2 3" }));
    if (known(one.level)) svg.append(draw("line", { x1: box.left, x2: box.right, y1: v(one.level), y2: v(one.level), stroke: "var(--ink)", "stroke-dasharray": "6 4" }));
    const shades = one.series.map((series, at) => colour(series.colour ?? at));
    one.series.forEach((series, at) => {
      const points = one.at.map((x, place) => [x, series.values[place]]);
      svg.append(draw("path", { d: line(points, h, v), fill: "none", stroke: shades[at], "stroke-width": 1.8, ...(series.dashed ? { "stroke-dasharray": "5 3" } : {}) }));
      const alone = points.filter(([, y]) => known(y));
      if (alone.length === 1) svg.append(draw("circle", { cx: h(alone[0][0]), cy: v(alone[0][1]), r: 3, fill: shades[at] }));
    });
    const cross = draw("line", { y1: box.top, y2: box.bottom, stroke: "var(--accent)", visibility: "hidden" });
    svg.append(cross);
    follow(svg, width, x => {
      let near = -1;
      one.at.forEach((place, at) => { if (near < 0 || Math.abs(h(place) - x) < Math.abs(h(one.at[near]) - x)) near = at; });
      if (near < 0) return "";
      cross.setAttribute("x1", h(one.at[near]));
      cross.setAttribute("x2", h(one.at[near]));
      cross.setAttribute("visibility", "visible");
      return [`${one.x} ${short(one.at[near])}`, ...one.series.map(series => `${series.name}: ${short(series.values[near])}`)].join("\n");
    }, () => cross.setAttribute("visibility", "hidden"));
    let names = one.series.map((series, at) => [series.name, shades[at], series.dashed ? "dashed" : ""]);
    if (names.length > 12) names = names.filter(([, shade], at) => shades.indexOf(shade) === at).map(([name, ...rest]) => [name.split(",")[0], ...rest]);
    if (known(one.level)) names.push([one.level_name, "var(--ink)", "dashed"]);
    return make("div", {}, keys(names), svg);
  },

  Bands(one, width) {
    const values = one.quantiles.flat(), shade = colour(one.colour);
    const { svg, box, h, v } = frame(width, 190, { name: one.x, reach: reach(one.at, false, 0), whole: one.x === "epoch" }, { name: one.y, reach: reach(values, false) }, one);
    const band = (low, high, strength) => {
      const there = one.at.map((x, at) => [x, one.quantiles[at]]).filter(([, five]) => known(five[low]) && known(five[high]));
      const round = [...there.map(([x, five]) => [x, five[high]]), ...there.reverse().map(([x, five]) => [x, five[low]])];
      svg.append(draw("path", { d: line(round, h, v) + "Z", fill: shade, opacity: strength }));
    };
    band(0, 4, 0.18);
    band(1, 3, 0.3);
    svg.append(draw("path", { d: line(one.at.map((x, at) => [x, one.quantiles[at][2]]), h, v), fill: "none", stroke: shade, "stroke-width": 1.8 }));
    if (known(one.mark)) svg.append(draw("line", { x1: h(one.mark), x2: h(one.mark), y1: box.top, y2: box.bottom, stroke: "var(--soft)", "stroke-dasharray": "2 3" }));
    follow(svg, width, x => {
      let near = 0;
      one.at.forEach((place, at) => { if (Math.abs(h(place) - x) < Math.abs(h(one.at[near]) - x)) near = at; });
      const five = one.quantiles[near];
      return `${one.x} ${one.at[near]}\nmedian ${short(five[2])}\nhalf from ${short(five[1])} to ${short(five[3])}\n90 % from ${short(five[0])} to ${short(five[4])}`;
    });
    return svg;
  },

  Histogram(one, width) {
    const moments = Object.entries(one.counts), last = moments.length - 1;
    const shades = moments.map((_, at) => (at === last ? colour(one.colour) : at === 0 ? "var(--soft)" : "var(--accent)"));
    const most = Math.max(1, ...moments.flatMap(([, counts]) => counts));
    const { svg, box, h, v } = frame(width, 190, { name: one.x, reach: [one.edges[0], one.edges[one.edges.length - 1]] }, { name: "number", reach: [0, most * 1.05] }, one);
    moments.forEach(([, counts], at) => {
      const corners = counts.flatMap((count, bin) => [[one.edges[bin], count], [one.edges[bin + 1], count]]);
      const outline = line([[one.edges[0], 0], ...corners, [one.edges[one.edges.length - 1], 0]], h, v);
      svg.append(draw("path", { d: outline, fill: at === last ? shades[at] : "none", "fill-opacity": 0.35, stroke: shades[at], "stroke-width": 1.4, ...(at < last ? { "stroke-dasharray": at ? "2 2" : "5 3" } : {}) }));
    });
    for (const bound of one.bounds)
      svg.append(draw("line", { x1: h(bound), x2: h(bound), y1: box.top, y2: box.bottom, stroke: "var(--ink)", "stroke-dasharray": "1 3" }));
    follow(svg, width, x => {
      const bin = one.edges.findIndex((edge, at) => h(edge) <= x && x < h(one.edges[at + 1]));
      return bin < 0 ? "" : [`${short(one.edges[bin])} to ${short(one.edges[bin + 1])}`, ...moments.map(([name, counts]) => `${name}: ${short(counts[bin])}`)].join("\n");
    });
    return make("div", {}, keys(moments.map(([name], at) => [name, shades[at], at < last ? "dashed" : ""])), svg);
  },

  Matrix(one, width) {
    const kinds = one.classes.length, names = [...one.classes, "none"];
    const longest = Math.max(...names.map(name => name.length)), left = Math.min(22 + 6.4 * longest, width * 0.3);
    const size = Math.min((width - left - 6) / (kinds + 1), 54), below = Math.min(26 + 6.4 * longest, 130);
    const height = size * kinds + below, { canvas, pen } = canvasFor(width, height, one.title);
    const sums = one.counts.map(row => row.reduce((sum, count) => sum + count, 0));
    const worst = Math.max(1e-9, ...one.counts.flatMap((row, at) => row.map((count, to) => (to === at ? 0 : count / Math.max(sums[at], 1)))));
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    one.counts.forEach((row, at) => row.forEach((count, to) => {
      const share = count / Math.max(sums[at], 1), right = to === at;
      pen.fillStyle = style(right ? "--good" : "--bad");
      pen.globalAlpha = right ? 0.1 + 0.45 * share : 0.85 * share / worst;
      pen.fillRect(left + to * size + 1, at * size + 1, size - 2, size - 2);
      pen.globalAlpha = 1;
      pen.fillStyle = style("--ink");
      if (count && size >= 7 * String(count).length) pen.fillText(count, left + (to + 0.5) * size, (at + 0.5) * size);
    }));
    pen.fillStyle = style("--soft");
    const every = Math.ceil(11 / size), cut = name => (name.length > 20 ? name.slice(0, 19) + "…" : name);
    names.forEach((name, at) => {
      if (at % every) return;
      if (at < kinds) { pen.textAlign = "right"; pen.fillText(cut(name), left - 6, (at + 0.5) * size); }
      pen.save();
      pen.translate(left + (at + 0.5) * size, kinds * size + 6);
      const flat = size > 6.4 * Math.min(longest, 20);
      pen.rotate(flat ? 0 : -Math.PI / 2);
      pen.textAlign = flat ? "center" : "right";
      pen.textBaseline = flat ? "top" : "middle";
      pen.fillText(cut(name), 0, 0);
      pen.restore();
    });
    canvas.addEventListener("pointermove", event => {
      const place = canvas.getBoundingClientRect(), to = Math.floor((event.clientX - place.left - left) / size);
      const at = Math.floor((event.clientY - place.top) / size);
      const inside = at >= 0 && at < kinds && to >= 0 && to <= kinds;
      say(event, inside ? `class ${names[at]}, answer ${names[to]}:\n${one.counts[at][to]} of ${sums[at]} samples` : "");
    });
    canvas.addEventListener("pointerleave", hush);
    return canvas;
  },

  Plane(one, width) {
    const size = Math.min(width, 430), rows = one.answer.length, step = size / rows;
    const { canvas, pen } = canvasFor(size, size, one.title);
    canvas.style.width = `${size}px`;
    const small = make("canvas"), ground = rgb(style("--ground"));
    small.width = small.height = rows;
    const brush = small.getContext("2d"), picture = brush.createImageData(rows, rows);
    one.answer.forEach((row, at) => row.forEach((kind, to) => {
      const shade = rgb(kind < 0 ? "#808080" : colour(kind)), place = 4 * ((rows - 1 - at) * rows + to);
      const strength = one.truth[at][to] < 0 ? 0.12 : 0.2 + 0.07 * one.lead[at][to];
      [0, 1, 2].forEach(part => { picture.data[place + part] = ground[part] + strength * (shade[part] - ground[part]); });
      picture.data[place + 3] = 255;
    }));
    brush.putImageData(picture, 0, 0);
    pen.drawImage(small, 0, 0, size, size);
    pen.fillStyle = style("--ink");
    pen.globalAlpha = 0.75;
    one.truth.forEach((row, at) => row.forEach((kind, to) => {
      const other = [row[to + 1], (one.truth[at + 1] || [])[to]];
      if (other.some(next => next !== undefined && next !== kind)) pen.fillRect(to * step, size - (at + 1) * step, Math.max(step * 0.6, 1), Math.max(step * 0.6, 1));
    }));
    pen.globalAlpha = 1;
    const wrong = one.points.map((_, at) => at).filter(at => one.said[at] !== one.label[at]);
    for (const at of wrong) {
      pen.beginPath();
      pen.arc(one.points[at][0] * size, size * (1 - one.points[at][1]), 4, 0, 7);
      pen.fillStyle = colour(one.label[at]);
      pen.fill();
      pen.strokeStyle = style("--ink");
      pen.stroke();
    }
    const named = kind => (kind < 0 ? "none" : one.classes[kind]);
    canvas.addEventListener("pointermove", event => {
      const place = canvas.getBoundingClientRect(), x = (event.clientX - place.left) / place.width, y = 1 - (event.clientY - place.top) / place.height;
      const near = wrong.find(at => Math.hypot(one.points[at][0] - x, one.points[at][1] - y) * size < 7);
      const [at, to] = [y, x].map(value => Math.max(0, Math.min(rows - 1, Math.floor(value * rows))));
      const told = near === undefined ? "" : `\na sample of ${named(one.label[near])}, answered ${named(one.said[near])}`;
      say(event, `x ${short(x)}, y ${short(y)}\nanswer ${named(one.answer[at][to])}, right ${named(one.truth[at][to])}${told}`);
    });
    canvas.addEventListener("pointerleave", hush);
    const names = one.classes.map((name, at) => [name, colour(at), "square"]);
    return make("div", {}, keys([...names, [`${wrong.length} of ${one.points.length} wrong (dots: true class)`, "var(--ink)", "square"]]), canvas);
  },

  Points(one, width) {
    const values = one.groups.flatMap(([, points]) => points.map(([, value]) => value));
    const many = one.groups.length, x = { name: "", reach: [-0.5, many - 0.5], ticks: [] };
    const { svg, h, v } = frame(width, 260, x, { name: one.y, reach: reach(values, false, 0.12) }, one);
    one.groups.forEach(([name, points], at) => {
      const there = points.map(([, value]) => value).filter(known).sort((a, b) => a - b), half = there.length >> 1;
      const middle = there.length % 2 ? there[half] : (there[half - 1] + there[half]) / 2, room = (h(1) - h(0)) * 0.28;
      if (there.length) svg.append(draw("line", { x1: h(at) - room, x2: h(at) + room, y1: v(middle), y2: v(middle), stroke: "var(--ink)", "stroke-width": 2 }));
      points.forEach(([label, value], place) => {
        if (!known(value)) return;
        const shift = points.length > 1 ? (place / (points.length - 1) - 0.5) * room : 0;
        const dot = draw("circle", { cx: h(at) + shift, cy: v(value), r: 5, fill: colour(at), "fill-opacity": 0.75, stroke: "var(--ground)" });
        dot.addEventListener("pointermove", event => say(event, `${name}, ${label}\n${short(value)}`));
        dot.addEventListener("pointerleave", hush);
        svg.append(dot);
      });
      svg.append(draw("text", { x: h(at), y: 242, "text-anchor": "middle" }, name.split(" ")[0]));
    });
    return svg;
  },
};

// Words at the pointer, from where it is in a picture of some width.
function follow(svg, width, words, away = () => {}) {
  svg.addEventListener("pointermove", event => {
    const place = svg.getBoundingClientRect();
    say(event, words((event.clientX - place.left) * width / place.width));
  });
  svg.addEventListener("pointerleave", () => { hush(); away(); });
}
