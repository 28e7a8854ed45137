"use strict";
// Explorer of the report. It reads what the page holds, and writes text only as text.
(async () => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const make = (tag, text, more) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, more);
  const redraws = [];
  const later = (() => { let asked = false; return () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; redraws.forEach((draw) => draw()); }); } }; })();

  // Page: theme, copying.
  const system = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const dark = () => !printing && (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const theme = $("theme");
  const name = () => { theme.textContent = dark() ? "Light page" : "Dark page"; };
  theme.hidden = false; name();
  theme.onclick = () => { root.dataset.theme = dark() ? "light" : "dark"; name(); later(); };
  system.addEventListener("change", () => { name(); later(); });
  addEventListener("beforeprint", () => { printing = true; redraws.forEach((draw) => draw()); });
  addEventListener("afterprint", () => { printing = false; later(); });
  addEventListener("resize", later);
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.onclick = async () => {
      const of = $(button.dataset.of), text = of.innerText;
      try { await navigator.clipboard.writeText(text); $("status").textContent = "Copied."; }
      catch {
        getSelection().selectAllChildren(of);
        $("status").textContent = "Selected; copy with the keyboard.";
      }
    };
  }

  const reachable = () => { for (const box of document.querySelectorAll(".scroll")) { if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0; else box.removeAttribute("tabindex"); } };
  redraws.push(reachable); reachable();

  // Data.
  const spec = JSON.parse($("spec").textContent);
  if (!spec.n || typeof DecompressionStream === "undefined") return;
  const coded = atob($("blob").textContent), bytes = new Uint8Array(coded.length);
  for (let i = 0; i < coded.length; i++) bytes[i] = coded.charCodeAt(i);
  const raw = new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  const array = (key) => {
    const { kind, at, n } = spec.arrays[key];
    if (kind === "u8") return raw.subarray(at, at + n);
    if (kind === "u16") {
      const out = new Uint16Array(n);
      for (let i = 0; i < n; i++) out[i] = (raw[at + i] << 8) | raw[at + n + i];
      return out;
    }
    const steps = new Int32Array(raw.slice(at, at + 4 * n).buffer), out = new Float64Array(n);
    for (let i = 0, sum = 0; i < n; i++) out[i] = sum += steps[i];
    return out;
  };
  const real = (key) => {  // numbers on a scale; NaN where there is none
    const { low, high, top } = spec.arrays[key], codes = array(key);
    return Float32Array.from(codes, (c) => (c > top ? NaN : low + ((high - low) * c) / (top || 1)));
  };
  const n = spec.n, time = array("time"), part = array("part"), heads = array("segment");
  for (let i = 0; i < n; i++) time[i] = spec.start + (time[i] / 16) * spec.bin;
  const trial = new Uint32Array(n);
  for (let s = 0; s < heads.length; s++) trial.fill(s, heads[s], s + 1 < heads.length ? heads[s + 1] : n);
  const tail = (s) => (s + 1 < heads.length ? heads[s + 1] : n);
  const digits = (v, k = 2) => (Number.isFinite(v) ? String(Number(v.toFixed(k))) : "not known").replace("-", "\u2212");
  const degrees = (v, period) => `${digits((360 * v) / period, 1)}°`;
  const views = spec.views.map((view) => {
    const codes = array(view.array), xyz = [0, 1, 2].map((k) => Float32Array.from(codes.subarray(k * n, (k + 1) * n), (c) => (2 * c) / view.top - 1));
    return { ...view, xyz, sx: new Float32Array(n), sy: new Float32Array(n), depth: new Float32Array(n) };
  });

  // Colours: each way gives a code of every bin, and for every code a colour, a shape and a name.
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const lift = (c) => (dark() ? c.map((v) => Math.round(v + (255 - v) * 0.28)) : c);  // on a dark page dark colours would be lost
  const css = (key) => getComputedStyle(root).getPropertyValue(key).trim();
  const grey = () => (dark() ? [110, 115, 122] : [188, 188, 188]);
  const shade = (k) => { const c = rgb(spec.palette[k % spec.palette.length]); return lift(c); };
  const classes = (title, codes, values, hues) => ({
    title, codes, names: values, kind: "classes",
    colour: (k) => (k >= values.length ? grey() : hues ? lift(rgb(hues[k])) : shade(k)), shape: (k) => (k >= values.length ? 0 : hues ? k % 8 : Math.floor(k / 8) + k) % 8,
    text: (i) => values[codes[i]] ?? "none",
  });
  const ramp = (title, values, period, unit = "") => {
    let low = Infinity, high = -Infinity;
    for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
    if (period) [low, high] = [0, period];
    const codes = Uint8Array.from(values, (v) => (Number.isNaN(v) ? 64 : Math.min(63, Math.floor(((v - low) / (high - low || 1)) * 63.99))));
    const list = period ? spec.cyclic : spec.ramp;
    return {
      title, codes, kind: "ramp", ends: period ? ["0°", "360°"] : [digits(low) + unit, digits(high) + unit],
      colour: (k) => (k > 63 ? grey() : period ? lift(rgb(list[k])) : rgb(list[Math.round(dark() ? 12 + (k * 51) / 63 : (k * 58) / 63)])), shape: () => 0,
      text: (i) => (period ? degrees(values[i], period) : digits(values[i], 3) + unit),
    };
  };
  const ways = spec.labels.map((label) =>
    label.kind === "classes" ? classes(label.name, array(label.array), label.values, label.colours) : ramp(label.name, real(label.array), label.kind === "cyclic" ? label.period : 0));
  const labelWays = ways.length;
  let hits = null, guess = null;
  const said = spec.prediction;
  if (said) {
    hits = said.error === "classes" ? classes(`error in ${said.target}`, array("hit"), ["wrong", "right"], ["#d55e00", "#0072b2"]) : ramp(`error in ${said.target}`, real("hit"), 0);
    ways.push(hits);
    if (said.values) { const codes = array("predicted"); guess = (i) => said.values[codes[i]]; }
    else if (spec.arrays.predicted) { const values = real("predicted"); guess = (i) => (Number.isNaN(values[i]) ? undefined : said.period ? degrees(values[i], said.period) : digits(values[i], 3)); }
  }
  ways.push(classes("part", part, spec.parts, ["#0072b2", "#e69f00", "#d55e00", "#8a8a8a"]), ramp("time", Float32Array.from(time), 0, " s"));
  if (heads.length > 1) {
    ways.push(ramp("time in the trial", Float32Array.from(time, (t, i) => t - time[heads[trial[i]]]), 0, " s"));
    const turn = classes("trial", Uint8Array.from(trial, (s) => s % 8), Array.from({ length: 8 }, (_, k) => `trials ${k + 1}, ${k + 9}, …`));
    turn.text = (i) => `trial ${spec.segments[trial[i]]}`;
    ways.push(turn);
  }

  // State.
  const state = { way: 0, space: false, yaw: 0, pitch: 0, zoom: 1, x: 0, y: 0, at: -1, pair: -1, only: -1, means: false, path: true, views: [0] };
  window.myow = state;
  const main = Math.max(0, spec.labels.findIndex((label) => label.name === spec.target));
  state.way = labelWays ? main : ways.length - 1;
  const order = new Uint32Array(n), shapes = 8;

  const outline = (g, shape, x, y, r) => {
    g.beginPath();
    const at = (points) => points.forEach(([a, b], i) => (i ? g.lineTo(x + a * r, y + b * r) : g.moveTo(x + a * r, y + b * r)));
    if (shape === 0) g.arc(x, y, r, 0, 7);
    else if (shape === 1) g.rect(x - 0.85 * r, y - 0.85 * r, 1.7 * r, 1.7 * r);
    else if (shape === 2) at([[0, -1.15], [1.05, 0.8], [-1.05, 0.8]]);
    else if (shape === 3) at([[0, -1.25], [1, 0], [0, 1.25], [-1, 0]]);
    else if (shape === 4) at([[-0.35, -1.1], [0.35, -1.1], [0.35, -0.35], [1.1, -0.35], [1.1, 0.35], [0.35, 0.35], [0.35, 1.1], [-0.35, 1.1], [-0.35, 0.35], [-1.1, 0.35], [-1.1, -0.35], [-0.35, -0.35]]);
    else if (shape === 5) at([[0, 1.15], [1.05, -0.8], [-1.05, -0.8]]);
    else if (shape === 6) at([[-1.2, -0.5], [1.2, -0.5], [1.2, 0.5], [-1.2, 0.5]]);
    else at([[-0.5, -1.2], [0.5, -1.2], [0.5, 1.2], [-0.5, 1.2]]);
    g.closePath();
  };
  const sprite = (colour, shape, r) => {
    const side = Math.ceil(2.6 * r) + 4, canvas = make("canvas", undefined, { width: side, height: side }), g = canvas.getContext("2d");
    outline(g, shape, side / 2, side / 2, r);
    g.lineWidth = 1.4; g.strokeStyle = css("--paper"); g.stroke();
    g.fillStyle = `rgb(${colour.join()})`; g.fill();
    return canvas;
  };
  const MASKS = ["###/###/###", "##./##./...", ".#./###/...", ".#./#.#/.#.", ".#./###/.#.", "###/.#./...", "###/.../...", "#../#../#.."].map((text) =>
    text.split("/").flatMap((row, y) => [...row].flatMap((mark, x) => (mark === "#" ? [[x - 1, y - 1]] : []))));

  const size = (canvas) => {
    const box = canvas.getBoundingClientRect(), ratio = Math.min(2, devicePixelRatio || 1), w = Math.max(1, Math.round(box.width * ratio)), h = Math.max(1, Math.round(box.height * ratio));
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    return [w, h, ratio];
  };

  const place = (view, w, h, ratio) => {
    const [X, Y, Z] = view.xyz, scale = (Math.min(w, h) / 2) * 0.92 * state.zoom, cx = w / 2 + state.x * ratio, cy = h / 2 + state.y * ratio;
    const a = state.space ? Math.cos(state.yaw) : 1, b = state.space ? Math.sin(state.yaw) : 0, c = state.space ? Math.cos(state.pitch) : 1, d = state.space ? Math.sin(state.pitch) : 0;
    view.to = (x, y, z) => { const u = x * a + z * b, v = z * a - x * b; return [cx + scale * u, cy - scale * (y * c - v * d), y * d + v * c]; };
    for (let i = 0; i < n; i++) {
      const u = X[i] * a + Z[i] * b, v = Z[i] * a - X[i] * b;
      view.sx[i] = cx + scale * u; view.sy[i] = cy - scale * (Y[i] * c - v * d); view.depth[i] = Y[i] * d + v * c;
    }
  };
  const places = new Uint32Array(4098);
  const sort = (view) => {  // farthest first, by counting
    if (!state.space) { for (let i = 0; i < n; i++) order[i] = i; return; }
    places.fill(0);
    const bin = (i) => Math.max(0, Math.min(4095, ((view.depth[i] + 1.8) / 3.6) * 4095)) | 0;
    for (let i = 0; i < n; i++) places[bin(i) + 1]++;
    for (let k = 1; k < 4098; k++) places[k] += places[k - 1];
    for (let i = 0; i < n; i++) order[places[bin(i)]++] = i;
  };

  const draw = (view) => {
    const canvas = view.canvas, [w, h, ratio] = size(canvas), g = canvas.getContext("2d"), way = ways[state.way], codes = way.codes;
    place(view, w, h, ratio); sort(view);
    g.clearRect(0, 0, w, h);
    g.fillStyle = css("--paper"); g.fillRect(0, 0, w, h);
    const dim = (k) => state.only >= 0 && k !== state.only;
    if (n <= 8000) {
      const r = (n < 1500 ? 3.8 : n < 4000 ? 3 : 2.4) * ratio * (state.views.length > 1 ? 0.75 : 1), table = [], low = sprite(grey(), 0, r * 0.55);
      for (const i of order) {
        const k = codes[i], stamp = dim(k) ? low : (table[k] ??= sprite(way.colour(k), way.shape(k), r));
        g.drawImage(stamp, view.sx[i] - stamp.width / 2, view.sy[i] - stamp.height / 2);
      }
    } else {
      const image = g.createImageData(w, h), pixels = new Uint32Array(image.data.buffer), back = tint(0), table = new Uint32Array(256), plain = (255 << 24) | (grey()[2] << 16) | (grey()[1] << 8) | grey()[0];
      pixels.fill((255 << 24) | (back[2] << 16) | (back[1] << 8) | back[0]);
      for (let k = 0; k < 256; k++) { const c = way.colour(k); table[k] = dim(k) ? plain : (255 << 24) | (c[2] << 16) | (c[1] << 8) | c[0]; }
      const big = ratio > 1.5;
      for (let o = 0; o < n; o++) {
        const i = order[o], k = codes[i], x = view.sx[i] | 0, y = view.sy[i] | 0;
        if (x < 3 || y < 3 || x >= w - 3 || y >= h - 3) continue;
        const mask = MASKS[way.kind === "classes" ? way.shape(k) % shapes : 0], colour = table[k];
        for (let m = 0; m < mask.length; m++) {
          const p = big ? (y + 2 * mask[m][1]) * w + x + 2 * mask[m][0] : (y + mask[m][1]) * w + x + mask[m][0];
          pixels[p] = colour;
          if (big) { pixels[p + 1] = colour; pixels[p + w] = colour; pixels[p + w + 1] = colour; }
        }
      }
      g.putImageData(image, 0, 0);
    }
    const ink = css("--ink"), ring = (i, r, width) => { g.beginPath(); g.arc(view.sx[i], view.sy[i], r * ratio, 0, 7); g.lineWidth = width * ratio; g.strokeStyle = ink; g.stroke(); };
    if (state.at >= 0) {
      const s = trial[state.at];
      if (state.path && heads.length > 1) {
        g.beginPath();
        for (let i = heads[s]; i < tail(s); i++) (i > heads[s] ? g.lineTo : g.moveTo).call(g, view.sx[i], view.sy[i]);
        g.lineWidth = 1.6 * ratio; g.strokeStyle = ink; g.stroke();
        ring(heads[s], 3, 1.4);
      }
      if (state.pair >= 0) {
        g.beginPath(); g.moveTo(view.sx[state.at], view.sy[state.at]); g.lineTo(view.sx[state.pair], view.sy[state.pair]);
        g.setLineDash([5 * ratio, 4 * ratio]); g.lineWidth = 1.8 * ratio; g.strokeStyle = ink; g.stroke(); g.setLineDash([]);
        ring(state.pair, 6, 1.8);
      } else for (const i of near(state.at)) ring(i, 5, 1.2);
      ring(state.at, 7, 2.4);
    }
    if (state.means && way.kind === "classes") {
      const sums = way.names.map(() => [0, 0, 0, 0]);
      for (let i = 0; i < n; i++) { const one = sums[codes[i]]; if (one) { for (let k = 0; k < 3; k++) one[k] += view.xyz[k][i]; one[3]++; } }
      g.font = `${13 * ratio}px system-ui, sans-serif`; g.textBaseline = "middle";
      sums.forEach((one, k) => {
        if (!one[3] || dim(k)) return;
        const [x, y] = view.to(one[0] / one[3], one[1] / one[3], one[2] / one[3]);
        outline(g, way.shape(k), x, y, 8 * ratio);
        g.lineWidth = 3 * ratio; g.strokeStyle = ink; g.stroke(); g.fillStyle = `rgb(${way.colour(k).join()})`; g.fill();
        g.lineWidth = 4 * ratio; g.strokeStyle = css("--paper"); g.strokeText(way.names[k], x + 13 * ratio, y); g.fillStyle = ink; g.fillText(way.names[k], x + 13 * ratio, y);
      });
    }
    g.font = `${12 * ratio}px system-ui, sans-serif`; g.fillStyle = css("--muted"); g.textBaseline = "alphabetic";
    g.fillText(state.space ? `3-D: axes 1, 2, 3 (${view.shares.join(", ")} of variance)` : `axis 1, ${view.shares[0]} of variance; up: axis 2, ${view.shares[1]}`, 8 * ratio, h - 8 * ratio);
  };

  // Neighbours in other trials: in all dimensions where they came with the page, else in the three shown.
  const stored = spec.near ? array("near") : null, each = stored ? stored.length / n : 0;
  const near = (i) => {
    if (stored) return Array.from(stored.subarray(i * each, (i + 1) * each));
    const [X, Y, Z] = views[0].xyz, best = [];
    for (let j = 0; j < n; j++) {
      if (heads.length > 1 ? trial[j] === trial[i] : Math.abs(j - i) < n / 100) continue;
      const d = (X[j] - X[i]) ** 2 + (Y[j] - Y[i]) ** 2 + (Z[j] - Z[i]) ** 2;
      if (best.length < 3 || d < best[2][0]) { best.push([d, j]); best.sort((p, q) => p[0] - q[0]); best.length = Math.min(3, best.length); }
    }
    return best.map((one) => one[1]);
  };
  const trials = heads.length > 1, others = (trials ? "Nearest bins of other trials" : "Nearest bins at other times") + (stored ? ":" : ", by the three axes shown:");
  const briefly = (i) => (trials ? `trial ${spec.segments[trial[i]]}, ` : "") + `${digits(time[i])} s` + (labelWays ? `, ${ways[main].title} ${ways[main].text(i)}` : "");

  // Details of a bin.
  const raster = spec.activity ? array("activity") : null;
  const detail = () => {
    const i = state.at, facts = $("facts"), list = $("near");
    facts.replaceChildren(); list.replaceChildren();
    $("hint").hidden = i >= 0; $("activity").hidden = i < 0 || !raster; $("firing").textContent = "";
    $("when").textContent = i < 0 ? "none chosen" : briefly(i);
    if (i < 0) return;
    const add = (key, value) => facts.append(make("dt", key), make("dd", value));
    if (trials) add("trial", spec.segments[trial[i]]);
    add("time", `${digits(time[i], 3)} s` + (heads.length > 1 ? `, ${digits(time[i] - time[heads[trial[i]]], 3)} s into the trial` : ""));
    add("part", spec.parts[part[i]]);
    for (let k = 0; k < labelWays; k++) add(ways[k].title, ways[k].text(i));
    if (said) { add("read out", (guess && guess(i)) ?? "only of test bins"); if (part[i] === 2) add(said.error === "classes" ? "right?" : "error", said.error === "classes" ? (hits.codes[i] ? "yes" : "no") : hits.text(i)); }
    for (const j of near(i)) {
      const button = make("button", briefly(j), { type: "button" });
      button.onclick = () => choose(j);
      list.append(make("li")); list.lastChild.append(button);
    }
    list.before($("firing"));
    if (raster) {
      const units = spec.activity.units, firing = units.map((unit, u) => [raster[u * n + i], unit]).filter(([c]) => c > 0).sort((p, q) => q[0] - p[0]);
      const some = units.length < spec.activity.of ? ` (of the ${units.length} units that vary most, of ${spec.activity.of})` : "";
      $("firing").textContent = (spec.activity.counts ? `Spikes in this bin${some}: ` + (firing.slice(0, 8).map(([c, unit]) => `${unit} ${c}`).join(", ") || "none") + (firing.length > 8 ? `, and ${firing.length - 8} units more` : "") + ". " : "") + others;
      activity();
    } else $("firing").textContent = others;
  };
  const tint = (t) => { const a = rgb(css("--paper").length === 7 ? css("--paper") : "#ffffff"), b = rgb(css("--ink").length === 7 ? css("--ink") : "#222222"); return a.map((v, k) => Math.round(v + (b[k] - v) * t)); };
  const pixels = (canvas, wide, high, colour) => {  // a raster, drawn at its own size and enlarged
    const small = make("canvas", undefined, { width: wide, height: high }), g = small.getContext("2d"), image = g.createImageData(wide, high);
    for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) image.data.set([...colour(x, y), 255], 4 * (y * wide + x));
    g.putImageData(image, 0, 0);
    const [w, h] = size(canvas), big = canvas.getContext("2d");
    big.imageSmoothingEnabled = false; big.drawImage(small, 0, 0, w, h);
    return [big, w, h];
  };
  const activity = () => {
    const i = state.at;
    if (i < 0 || !raster) return;
    const s = trial[i], from = Math.max(heads[s], i - 60), to = Math.min(tail(s), from + 121), units = spec.activity.units.length;
    let top = 1;
    for (let u = 0; u < units; u++) for (let j = from; j < to; j++) top = Math.max(top, raster[u * n + j]);
    const [g, w, h] = pixels($("activity"), to - from, units, (x, y) => tint(Math.sqrt(raster[y * n + from + x] / top))), cell = w / (to - from);
    g.strokeStyle = css("--accent"); g.lineWidth = 2; g.strokeRect((i - from) * cell + 1, 1, Math.max(2, cell - 2), h - 2);
    $("activity").setAttribute("aria-label", `Activity of ${units} units in ${to - from} bins of trial ${spec.segments[s]}; the strongest mark is ${top}`);
  };

  // The strip of time: colours above, parts below.
  const strip = () => {
    const canvas = $("strip"), [w, h] = size(canvas), g = canvas.getContext("2d"), way = ways[state.way], parts = ways.find((one) => one.title === "part" && one.names === spec.parts);
    g.fillStyle = css("--paper"); g.fillRect(0, 0, w, h);
    for (let x = 0; x < w; x++) {
      const i = Math.min(n - 1, Math.floor((x / w) * n));
      g.fillStyle = `rgb(${(state.only >= 0 && way.codes[i] !== state.only ? grey() : way.colour(way.codes[i])).join()})`; g.fillRect(x, 0, 1, h * 0.62);
      g.fillStyle = `rgb(${parts.colour(part[i]).join()})`; g.fillRect(x, h * (0.7 + 0.09 * Math.min(2, part[i])), 1, h * 0.1);
    }
    if (state.at >= 0) {
      const s = trial[state.at];
      g.strokeStyle = css("--ink"); g.lineWidth = 2;
      if (heads.length > 1) g.strokeRect((heads[s] / n) * w, 1, Math.max(2, ((tail(s) - heads[s]) / n) * w), h - 2);
      g.fillStyle = css("--ink"); g.fillRect((state.at / n) * w - 1, 0, 3, h);
    }
  };

  const choose = (i, pair = -1) => {
    state.at = i; state.pair = pair;
    if (i >= 0) $("bin").value = i;
    $("bin").setAttribute("aria-valuetext", i < 0 ? "none" : briefly(i));
    detail(); later();
  };

  // Legend.
  const legend = () => {
    const box = $("legend"), way = ways[state.way];
    box.replaceChildren(make("span", `${way.title}:`));
    if (way.kind === "ramp") {
      const bar = make("canvas", undefined, { className: "ramp", width: 64, height: 1 }), g = bar.getContext("2d");
      for (let k = 0; k < 64; k++) { g.fillStyle = `rgb(${way.colour(k).join()})`; g.fillRect(k, 0, 1, 1); }
      bar.setAttribute("aria-hidden", "true");
      box.append(make("span", way.ends[0]), bar, make("span", way.ends[1]));
      return;
    }
    way.names.slice(0, 40).forEach((text, k) => {
      const button = make("button", undefined, { type: "button" }), mark = make("canvas", undefined, { width: 32, height: 32 });
      mark.setAttribute("aria-hidden", "true");
      const stamp = sprite(way.colour(k), way.shape(k), 10);
      mark.getContext("2d").drawImage(stamp, 16 - stamp.width / 2, 16 - stamp.height / 2);
      button.setAttribute("aria-pressed", String(state.only === k));
      button.append(mark, make("span", text));
      button.onclick = () => { state.only = state.only === k ? -1 : k; [...box.querySelectorAll("button")].forEach((one, j) => one.setAttribute("aria-pressed", String(state.only === j))); later(); };
      box.append(button);
    });
    if (way.names.length > 40) box.append(make("span", `and ${way.names.length - 40} more`));
  };

  // Views and their controls.
  const hit = (view, x, y, reach) => {
    let best = -1, least = reach * reach;
    for (let i = 0; i < n; i++) { const d = (view.sx[i] - x) ** 2 + (view.sy[i] - y) ** 2; if (d < least) { least = d; best = i; } }
    return best;
  };
  const tip = make("div", "", { id: "tip", hidden: true });
  const move = (dx, dy) => { if (state.space) { state.yaw += dx / 120; state.pitch = Math.max(-1.57, Math.min(1.57, state.pitch + dy / 120)); } else { state.x += dx; state.y += dy; } later(); };
  const zoom = (by) => { state.zoom = Math.max(0.3, Math.min(40, state.zoom * by)); later(); };
  const reset = () => { Object.assign(state, { yaw: 0.6, pitch: 0.35, zoom: 1, x: 0, y: 0 }); later(); };
  const steps = { ArrowLeft: [-12, 0], ArrowRight: [12, 0], ArrowUp: [0, -12], ArrowDown: [0, 12] };
  views.forEach((view, v) => {
    const figure = make("figure"), canvas = make("canvas", undefined, { tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `${view.title}: ${n} bins as marks`);
    canvas.setAttribute("aria-describedby", "keys");
    figure.append(make("figcaption", view.title), canvas);
    $("views").append(figure);
    Object.assign(view, { canvas, figure });
    let held = null;
    const point = (event) => { const box = canvas.getBoundingClientRect(), k = canvas.width / box.width; return [(event.clientX - box.left) * k, (event.clientY - box.top) * k, box, k]; };
    canvas.onpointerdown = (event) => { held = { x: event.clientX, y: event.clientY, moved: 0 }; canvas.setPointerCapture(event.pointerId); };
    canvas.onpointermove = (event) => {
      if (held) { const dx = event.clientX - held.x, dy = event.clientY - held.y; held.moved += Math.abs(dx) + Math.abs(dy); held.x = event.clientX; held.y = event.clientY; if (held.moved > 3) move(dx, dy); return; }
      const [x, y, box, k] = point(event), i = hit(view, x, y, 12 * k);
      tip.hidden = i < 0;
      if (i >= 0) { figure.append(tip); tip.textContent = briefly(i) + (state.way !== main || !labelWays ? `, ${ways[state.way].title} ${ways[state.way].text(i)}` : ""); tip.style.left = `${Math.min(box.width - 150, x / k + 10)}px`; tip.style.top = `${y / k + canvas.offsetTop + 12}px`; }
    };
    canvas.onpointerup = (event) => { if (held && held.moved <= 3) { const [x, y, , k] = point(event); choose(hit(view, x, y, 14 * k)); } held = null; };
    canvas.onpointerleave = () => { tip.hidden = true; };
    canvas.addEventListener("wheel", (event) => { if (document.activeElement === canvas || event.ctrlKey) { event.preventDefault(); zoom(event.deltaY < 0 ? 1.12 : 1 / 1.12); } }, { passive: false });
    canvas.onkeydown = (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const key = event.key;
      if (steps[key]) move(...steps[key]);
      else if (key === "+" || key === "=") zoom(1.2);
      else if (key === "-" || key === "−") zoom(1 / 1.2);
      else if (key === "n" || key === "N") choose(Math.min(n - 1, state.at + 1));
      else if (key === "p" || key === "P") choose(Math.max(0, state.at - 1));
      else if (key === "Escape") choose(-1);
      else if (key === "0" || key === "Home") reset();
      else return;
      event.preventDefault();
    };
  });
  const show = () => {
    views.forEach((view, v) => { view.figure.hidden = !state.views.includes(v); });
    $("views").className = state.views.length > 1 ? "views" : "views one";
    later();
  };
  $("view").append(...views.map((view) => make("option", view.title)), make("option", "side by side"));
  $("view").onchange = (event) => { const at = event.target.selectedIndex; state.views = at === views.length ? views.map((_, k) => k) : [at]; show(); };
  $("colour").append(...ways.map((way) => make("option", way.title)));
  $("colour").selectedIndex = state.way;
  $("colour").onchange = (event) => { state.way = event.target.selectedIndex; state.only = -1; legend(); later(); };
  const toggle = (id, key, then) => { $(id).onclick = () => { state[key] = !state[key]; $(id).setAttribute("aria-pressed", String(state[key])); if (then) then(); later(); }; };
  $("path").hidden = !trials;
  toggle("turn", "space", reset); toggle("means", "means"); toggle("path", "path");
  $("reset").onclick = reset;
  $("bin").max = n - 1;
  $("bin").oninput = (event) => choose(Number(event.target.value));
  const seek = (event) => { const box = $("strip").getBoundingClientRect(); choose(Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - box.left) / box.width) * n)))); };
  $("strip").onpointerdown = (event) => { $("strip").setPointerCapture(event.pointerId); seek(event); };
  $("strip").onpointermove = (event) => { if (event.buttons) seek(event); };
  $("app").hidden = false; $("still").hidden = true;
  redraws.push(() => state.views.forEach((v) => draw(views[v])), strip, activity, legendOnTheme());
  function legendOnTheme() { let was = dark(); return () => { if (dark() !== was) { was = dark(); legend(); } }; }
  legend(); show(); detail();
  redraws.forEach((one) => one());

  // Mined views.
  const mined = spec.mined;
  if (mined) {
    const about = new Map(mined.about.map((one) => [one.row, one])), short = (one) => (trials ? `trial ${one.segment}` : `${digits(one.time)} s`) + (one.label ? ` (${one.label})` : "");
    const names = (one) => (trials ? `trial ${one.segment}, ` : "") + (one.label ? `${mined.target} ${one.label}, ` : "") + (trials ? `${digits(one.since)} s into it` : `${digits(one.time)} s`);
    const own = { step: mined.steps.length - 1, anchor: 0 }, rasters = spec.arrays.rasters ? array("rasters") : null, per = rasters ? mined.width * mined.units.length : 0;
    const window_ = (row) => { const at = mined.raster_rows.indexOf(row); return rasters.subarray(at * per, (at + 1) * per); };
    const meter = (text, share, chance) => { const fill = make("span", undefined, { className: chance ? "fill chance" : "fill" }), track = make("span", undefined, { className: "track" }); fill.style.width = `${100 * share}%`; track.append(fill); return [make("span", text), track, make("span", `${Math.round(100 * share)} %`)]; };
    const pair = () => [mined.anchors[own.step][own.anchor], mined.views[own.step][own.anchor]];
    const rest = () => {
      if (!rasters) return;
      const [a, b] = pair(), one = window_(a), other = b >= 0 ? window_(b) : null, units = mined.units.length, wide = mined.width;
      let top = 1;
      for (const part of [one, other]) if (part) for (const v of part) if (v < 255) top = Math.max(top, v);
      const none = dark() ? [44, 48, 55] : [236, 236, 234], warm = rgb("#d55e00"), cold = rgb("#0072b2"), paper = tint(0);
      const mark = ([g, w, h]) => { g.strokeStyle = css("--accent"); g.lineWidth = 2; g.strokeRect((mined.centre / wide) * w, 1, w / wide, h - 2); };
      const at = (part, x, y) => part[x * units + y];
      const grey_ = (part) => (x, y) => (!part || at(part, x, y) === 255 ? none : tint(Math.sqrt(at(part, x, y) / top)));
      mark(pixels($("ra"), wide, units, grey_(one))); mark(pixels($("rb"), wide, units, grey_(other)));
      mark(pixels($("rd"), wide, units, (x, y) => {
        if (!other || at(one, x, y) === 255 || at(other, x, y) === 255) return none;
        const d = (at(other, x, y) - at(one, x, y)) / top, hue = d > 0 ? warm : cold;
        return paper.map((v, k) => Math.round(v + (hue[k] - v) * Math.sqrt(Math.abs(d))));
      }));
    };
    const matrix = () => {
      if (!mined.matrix) return;
      const { names: list, counts: all } = mined.matrix, table = all[own.step], k = list.length, [w, h, ratio] = size($("matrix")), g = $("matrix").getContext("2d"), left = 58 * ratio, top = 22 * ratio, cell = Math.min((w - left) / k, (h - top - 18 * ratio) / k);
      g.fillStyle = css("--paper"); g.fillRect(0, 0, w, h);
      g.font = `${11 * ratio}px system-ui, sans-serif`; g.textBaseline = "middle";
      let same = 0, total = 0;
      table.forEach((row, y) => {
        const sum = row.reduce((p, q) => p + q, 0);
        total += sum; same += row[y];
        g.fillStyle = css("--ink"); g.textAlign = "right"; g.fillText(list[y].slice(0, 8), left - 6 * ratio, top + (y + 0.5) * cell);
        row.forEach((v, x) => { g.fillStyle = `rgb(${tint(sum ? v / sum : 0).join()})`; g.fillRect(left + x * cell, top + y * cell, cell - 1, cell - 1); });
        g.textAlign = "center"; g.fillStyle = css("--ink"); g.fillText(list[y].slice(0, Math.max(2, Math.floor(cell / (7 * ratio)))), left + (y + 0.5) * cell, top / 2);
      });
      $("matrixsaid").textContent = `Rows are the anchor's ${mined.target}, columns that of the mined view; the stronger, the more often. At step ${mined.steps[own.step]} ${same} of ${total} lie on the diagonal.`;
      $("matrix").setAttribute("aria-label", $("matrixsaid").textContent);
    };
    const tell = () => {
      const step = mined.steps[own.step], share = mined.shares[own.step], [a, b] = pair();
      $("stepnow").textContent = `step ${step}`;
      $("meter").replaceChildren(...(share.same_label === undefined ? [] : [...meter(`same ${mined.target}`, share.same_label), ...(share.same_label_chance === undefined ? [] : meter("by chance", share.same_label_chance, true))]));
      [...$("anchors").children].forEach((button, k) => { const one = about.get(mined.anchors[own.step][k]); button.textContent = short(one); button.setAttribute("aria-pressed", String(k === own.anchor)); });
      const from = about.get(a), to = about.get(b);
      $("pairsaid").textContent = to ? `Anchor: ${names(from)}. Mined: ${names(to)}.` + (from.label ? (from.label === to.label ? ` Same ${mined.target}.` : ` Another ${mined.target}.`) : "") : `Anchor: ${names(from)}. Nothing was mined for it.`;
      $("rasters").textContent = rasters ? `A row a unit${mined.units.length < mined.of ? ` (the ${mined.units.length} that vary most, of ${mined.of})` : ""}, in the order of the ${mined.target ?? "rate"} that it prefers; a column a bin of ${digits(mined.bin, 3)} s. The frame is the bin itself; plain areas lie outside of the trial. Difference: orange (more in the view) and blue (less).` : "";
      rest(); matrix();
    };
    $("step").max = mined.steps.length - 1; $("step").value = own.step;
    $("step").oninput = (event) => { own.step = Number(event.target.value); tell(); };
    mined.anchors[0].forEach((_, k) => { const button = make("button", "", { type: "button" }); button.onclick = () => { own.anchor = k; tell(); }; $("anchors").append(button); });
    const where = (row) => Math.round((row * n) / (spec.total ?? n));
    $("link").onclick = () => { const [a, b] = pair(); choose(Math.min(n - 1, where(a)), b < 0 ? -1 : Math.min(n - 1, where(b))); $("views").scrollIntoView({ block: "center" }); views[state.views[0]].canvas.focus({ preventScroll: true }); };
    $("pairs").hidden = false; $("minedstill").hidden = true; $("trio").hidden = !rasters; $("matrixbox").hidden = !mined.matrix;
    tell();
    redraws.push(rest, matrix);
  }
  root.dataset.ready = String(Math.round(performance.now()));
})();
