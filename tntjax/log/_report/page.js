// Draws the curves of a report with uPlot, and lets people look into them.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data-curves").textContent);
  const numbers = Uint8Array.from(
    atob(document.getElementById("data-numbers").textContent),
    (letter) => letter.charCodeAt(0),
  ).buffer;
  const root = document.getElementById("plots");
  if (!root) return;

  const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
  const COLOURS = 8;
  const charts = [];
  let axis = 0; // which of page.x
  let full = [0, 1]; // of the x axis, over all charts
  let zoom = null; // a part of it, or null

  // ---- numbers ---------------------------------------------------------------------

  function read([start, length, size]) {
    const kind = size === 4 ? Float32Array : Float64Array;
    // uPlot takes null for a gap.
    return Array.from(new kind(numbers, start, length), (x) => (Number.isNaN(x) ? null : x));
  }

  function show(value) {
    if (value == null) return "–";
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en");
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-4) return value.toExponential(3);
    return String(Number(value.toPrecision(5)));
  }

  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

  function make(name, attributes = {}, ...inside) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  }

  // ---- one chart -------------------------------------------------------------------

  function makeChart(plot) {
    const curves = plot.curves.map((curve) => ({ ...curve, y: read(curve.y), xs: curve.x.map(read) }));
    const lone = page.runs.length === 1;
    const crowd = curves.filter((curve) => curve.member !== undefined).length;
    const roles = [...new Set(curves.map((curve) => curve.key))];
    const numbered = (curve) => (lone ? curve.role : curve.run);
    const at = make("output", { class: "at" });
    const log = make("button", { class: "switch", "aria-pressed": "false", type: "button" }, "log");
    log.disabled = !curves.some((curve) => curve.y.some((y) => y > 0));
    log.title = "Logarithmic scale";
    log.setAttribute("aria-label", `Logarithmic scale for ${plot.name}`);
    const chart = make("div", {
      class: "chart", tabindex: "0", role: "application", "aria-roledescription": "chart",
      "aria-label":
        `Curves of ${roles.join(" and ")}. Left and right move the cursor, plus and minus zoom,` +
        " Escape shows all. The values are in the table below.",
    });
    const legend = make("ul", { class: "legend" });
    const heading = make("header", {}, make("h3", {}, plot.name), at, log);
    root.lastChild.append(make("section", { class: "plot", "aria-label": plot.name }, heading, chart, legend));

    let u = null;
    let order = []; // the curve of each series of uPlot
    let outputs = [];
    const hidden = new Set();

    function style(curve) {
      const colour = `--c${numbered(curve) % COLOURS}`;
      const member = curve.member !== undefined;
      return {
        label: curve.key,
        stroke: () => variable(colour),
        width: member ? 1 : curve.family ? 2.5 : 1.75,
        alpha: member ? Math.max(0.25, Math.min(0.7, 8 / crowd)) : 1,
        dash: DASHES[curve.role % DASHES.length],
        points: member ? { show: false } : { size: 5, fill: () => variable(colour) },
        show: !hidden.has(entry(curve)),
      };
    }

    // A family shares an entry of the legend.
    const entry = (curve) => `${curve.run} ${curve.key}`;

    function makeData(logarithmic) {
      const tables = new Map();
      for (const curve of curves) {
        const place = JSON.stringify(curve.x[axis]);
        if (!tables.has(place)) tables.set(place, { columns: [curve.xs[axis]], order: [] });
        const table = tables.get(place);
        table.columns.push(logarithmic ? curve.y.map((y) => (y > 0 ? y : null)) : curve.y);
        table.order.push(curve);
      }
      order = [null, ...[...tables.values()].flatMap((table) => table.order)];
      return uPlot.join([...tables.values()].map((table) => table.columns));
    }

    function build() {
      const logarithmic = log.getAttribute("aria-pressed") === "true";
      if (u) u.destroy();
      const data = makeData(logarithmic);
      const line = { stroke: () => variable("--soft"), grid: { stroke: () => variable("--line"), width: 1 }, ticks: { stroke: () => variable("--line"), width: 1, size: 4 } };
      const font = "12px system-ui, sans-serif";
      u = new uPlot(
        {
          width: Math.max(chart.clientWidth, 120),
          height: 230,
          legend: { show: false },
          focus: { alpha: 0.3 },
          cursor: {
            y: false,
            points: { size: 7, one: crowd > 0 },
            drag: { x: true, y: false, setScale: false },
            sync: { key: "report", scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
            focus: { prox: crowd > 0 ? 12 : -1 },
            bind: { dblclick: () => () => { setZoom(null); return null; } },
          },
          scales: {
            x: { time: false, range: () => zoom || full },
            y: { distr: logarithmic ? 3 : 1 },
          },
          axes: [
            { ...line, font, size: 30, values: (_, splits) => splits.map(show) },
            { ...line, font, size: measure, gap: 4, values: (_, splits) => splits.map((x) => (x == null ? "" : show(x))) },
          ],
          series: [{}, ...order.slice(1).map(style)],
          hooks: {
            setCursor: [tell],
            setSeries: [tell],
            setSelect: [
              () => {
                const { left, width } = u.select;
                if (width > 0) {
                  const range = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
                  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
                  setZoom(range);
                }
              },
            ],
          },
        },
        data,
        chart,
      );
      listenToTouch(u);
      makeLegend();
      tell();
    }

    function measure(self, values) {
      const longest = (values || []).reduce((most, text) => Math.max(most, (text || "").length), 1);
      return 18 + 7 * longest;
    }

    function makeLegend() {
      const entries = new Map();
      order.forEach((curve, number) => {
        if (!curve) return;
        if (!entries.has(entry(curve))) entries.set(entry(curve), { curve, series: [] });
        entries.get(entry(curve)).series.push(number);
        if (curve.family) entries.get(entry(curve)).curve = curve;
      });
      outputs = [];
      const items = [...entries].map(([name, { curve, series }]) => {
        const output = make("output");
        const words = [lone ? curve.key : roles.length > 1 ? `${page.runs[curve.run]}, ${curve.key}` : page.runs[curve.run]];
        if (curve.family) words.push(`(${curve.family})`);
        const button = make("button", { type: "button", "aria-pressed": String(!hidden.has(name)) }, swatch(curve), words.join(" "), output);
        button.title = "Show or hide";
        button.addEventListener("click", () => {
          if (!hidden.delete(name)) hidden.add(name);
          const shown = !hidden.has(name);
          button.setAttribute("aria-pressed", String(shown));
          u.batch(() => series.forEach((number) => u.setSeries(number, { show: shown })));
        });
        outputs.push({ output, series, lead: series.find((number) => order[number] === curve) });
        return make("li", {}, button);
      });
      legend.replaceChildren(...items);
    }

    function swatch(curve) {
      const space = "http://www.w3.org/2000/svg";
      const svg = document.createElementNS(space, "svg");
      for (const [key, value] of [["width", 24], ["height", 8], ["aria-hidden", true]]) svg.setAttribute(key, value);
      const line = document.createElementNS(space, "line");
      const drawn = { x1: 0, y1: 4, x2: 24, y2: 4, "stroke-width": 2.5, "stroke-dasharray": DASHES[curve.role % DASHES.length].join(" ") };
      for (const [key, value] of Object.entries(drawn)) line.setAttribute(key, value);
      line.style.stroke = `var(--c${numbered(curve) % COLOURS})`;
      svg.append(line);
      return svg;
    }

    // The value at a place, or the last one before: not all curves have one in each row.
    function valueAt(number, index) {
      const column = u.data[number];
      for (let i = index; i >= 0; i--) if (column[i] !== undefined) return column[i];
      return column.find((y) => y !== undefined);
    }

    function lastValue(number) {
      const column = u.data[number];
      for (let i = column.length - 1; i >= 0; i--) if (column[i] != null) return column[i];
      return null;
    }

    function tell() {
      if (!u || !outputs.length) return;
      const index = u.cursor.idx;
      at.textContent = index == null ? "" : `${page.x[axis]} ${show(u.data[0][index])}`;
      for (const { output, series, lead } of outputs) {
        const value = (number) => (index == null ? lastValue(number) : valueAt(number, index));
        let text = show(value(lead));
        const near = series.find((number) => number !== lead && u.series[number]._focus && index != null);
        if (near !== undefined) text += `, ${order[near].member}: ${show(value(near))}`;
        output.textContent = text;
      }
    }

    log.addEventListener("click", () => {
      log.setAttribute("aria-pressed", String(log.getAttribute("aria-pressed") !== "true"));
      build();
    });
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) {
        const [first, last] = u.series[0].idxs || [0, u.data[0].length - 1];
        const from = u.cursor.idx == null ? (step > 0 ? first - 1 : last + 1) : u.cursor.idx;
        const index = Math.max(first, Math.min(last, from + step));
        u.setCursor({ left: u.valToPos(u.data[0][index], "x"), top: u.over.clientHeight / 2 }, true, true);
      } else if (event.key === "+" || event.key === "-") {
        const [low, high] = zoom || full;
        const middle = u.cursor.idx == null ? (low + high) / 2 : u.data[0][u.cursor.idx];
        zoomAround(middle, event.key === "+" ? 0.5 : 2);
      } else if (event.key === "Escape") setZoom(null);
      else return;
      event.preventDefault();
    });
    return {
      build,
      xs: () => curves.flatMap((curve) => curve.xs[axis]),
      zoom: () => u.setScale("x", { min: (zoom || full)[0], max: (zoom || full)[1] }),
      redraw: () => u.redraw(false, true),
      resize: () => u.setSize({ width: Math.max(chart.clientWidth, 120), height: u.height }),
    };
  }

  // ---- zoom ------------------------------------------------------------------------

  const again = make("button", { type: "button", hidden: "" }, "show all");

  function setZoom(range) {
    if (range) {
      const [low, high] = [Math.max(range[0], full[0]), Math.min(range[1], full[1])];
      if (!(high > low)) return;
      range = low <= full[0] && high >= full[1] ? null : [low, high];
    }
    zoom = range;
    again.hidden = !zoom;
    charts.forEach((chart) => chart.zoom());
  }

  function zoomAround(middle, factor) {
    const [low, high] = zoom || full;
    setZoom([middle - (middle - low) * factor, middle + (high - middle) * factor]);
  }

  // One finger moves the cursor, two zoom, two taps show all; up and down scrolls the page.
  function listenToTouch(u) {
    const fingers = new Map();
    let before = null;
    let tapped = 0;
    const place = (event) => event.clientX - u.over.getBoundingClientRect().left;
    const point = (left) => u.setCursor({ left, top: u.over.clientHeight / 2 }, true, true);
    u.over.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      fingers.set(event.pointerId, place(event));
      before = null;
      if (fingers.size === 1) {
        if (event.timeStamp - tapped < 300) setZoom(null);
        tapped = event.timeStamp;
        point(place(event));
      }
    });
    u.over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, place(event));
      if (fingers.size === 1) return point(place(event));
      const [one, other] = [...fingers.values()].sort((a, b) => a - b);
      if (before === null) before = { values: [u.posToVal(one, "x"), u.posToVal(other, "x")] };
      // What was under each finger stays there.
      const [low, high] = before.values;
      const scale = (high - low) / Math.max(other - one, 8);
      setZoom([low - one * scale, low + (u.over.clientWidth - one) * scale]);
    });
    for (const type of ["pointerup", "pointercancel"]) {
      u.over.addEventListener(type, (event) => {
        fingers.delete(event.pointerId);
        before = null;
      });
    }
  }

  // ---- all charts ------------------------------------------------------------------

  function buildAll() {
    let low = Infinity;
    let high = -Infinity;
    for (const chart of charts) {
      for (const x of chart.xs()) {
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
    }
    full = high > low ? [low, high] : [low - 1, high + 1];
    zoom = null;
    again.hidden = true;
    charts.forEach((chart) => chart.build());
  }

  const controls = make("div", { class: "controls" });
  if (page.x.length > 1) {
    const choice = make("select", { id: "axis" }, ...page.x.map((name, number) => make("option", { value: number }, name)));
    choice.addEventListener("change", () => {
      axis = Number(choice.value);
      buildAll();
    });
    controls.append(make("label", { for: "axis" }, "Along the x axis "), choice);
  }
  again.addEventListener("click", () => setZoom(null));
  controls.append(make("span", { class: "hint" }, "Drag to zoom, double click to see all; on a touch screen pinch."), again);
  root.append(controls, make("div", { class: "grid" }));
  charts.push(...page.plots.map(makeChart));
  buildAll();

  new ResizeObserver(() => charts.forEach((chart) => chart.resize())).observe(root);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => {
      charts.forEach((chart) => chart.resize());
      charts.forEach((chart) => chart.redraw());
    });
  }
})();
