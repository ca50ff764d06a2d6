"use strict";
// The figures, drawn by plotly.js from the JSON of their panels.

const CONFIG = { displaylogo: false, showSendToCloud: false };
const HEIGHT = 340; // pixels
const PRINT_HEIGHT = 235;
const PRINT_WIDTHS = { 3: 305 }; // by the number of panels; else two stand side by side
const PRINT_HALF = 460;
// Colours that would be lost on a dark page
const ON_DARK = { "#000000": "#f0f0f0", "#666666": "#a8a8a8", "#3C5488": "#93a8dd" };
const onPage = (color) => (isDark() && ON_DARK[color]) || color;

function transparent(color) {
  const parts = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  return `rgba(${parts.join(",")},0.15)`;
}

// A trace in its look of now: those of settings by their place among the chosen ones.
function withLook(trace) {
  if (!trace.meta) return trace; // an image
  const look = lookOf(trace.meta.settings);
  const color = onPage(look ? look.color : trace.meta.color);
  const drawn = { ...trace, line: { ...trace.line, color } };
  if (trace.fill) drawn.fillcolor = transparent(color);
  if (look && trace.name) drawn.line.dash = look.dash;
  if (trace.marker) drawn.marker = { ...trace.marker, color, ...(look && { symbol: look.marker }) };
  return drawn;
}

function layoutOf(panel) {
  const [text, grid, axis, page] = isDark()
    ? ["#e6e8eb", "#343b43", "#8b949e", "rgba(21,24,28,0.8)"]
    : ["#222222", "#e6e6e6", "#444444", "rgba(255,255,255,0.8)"];
  const { layout } = panel.spec;
  const shared = { automargin: true, gridcolor: grid, linecolor: axis, tickcolor: axis, ticks: "outside", zeroline: false };
  const axes = Object.keys(layout).filter((name) => /axis/.test(name));
  const { shown } = panel.element.closest("section").dataset;
  const size = printing
    ? { width: PRINT_WIDTHS[shown] ?? PRINT_HALF, height: PRINT_HEIGHT }
    : { width: panel.element.clientWidth, height: HEIGHT };
  return {
    font: { family: "system-ui, sans-serif", size: printing ? 11 : 13, color: text },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hovermode: "closest",
    showlegend: false,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: axis, activecolor: text },
    margin: { l: 60, r: layout.yaxis2 ? 70 : 15, t: 30, b: 50 },
    ...layout,
    ...Object.fromEntries(axes.map((name) => [name, { ...shared, ...layout[name] }])),
    annotations: (layout.annotations ?? []).map((note) => ({ ...note, bgcolor: page, arrowcolor: text })),
    ...size,
  };
}

function readPanel(element) {
  const plot = element.appendChild(document.createElement("div"));
  return { element, plot, spec: JSON.parse(element.querySelector("script").textContent) };
}

// A figure: its panels, a legend of its own for lines that are no setting's, what is switched off.
function readFigure(section) {
  const panels = [...section.querySelectorAll(".panel")].map(readPanel);
  const legend = document.createElement("ul");
  legend.className = "legend";
  const paper = legend.cloneNode();
  paper.classList.add("paper"); // the legend of the settings, on paper
  section.querySelector("h2").after(paper, legend);
  return { section, panels, legend, paper, off: new Set(), most: Number(section.dataset.most) };
}

const isOfSetting = (trace) => Boolean(choice) && trace.meta.settings.length > 0;

function isOff(figure, trace) {
  if (!trace.meta) return false;
  return isOfSetting(trace) ? trace.meta.settings.every((label) => off.has(label)) : figure.off.has(trace.meta.label);
}

const chosenTraces = ({ spec }) => spec.data.filter((trace) => !trace.meta || isChosen(trace.meta.settings));

// The panels that have something to show; of those of one setting, the first.
function panelsToShow(figure) {
  let room = figure.most;
  return figure.panels.filter((panel) => {
    const { setting } = panel.spec.layout.meta ?? {};
    if (setting && (!isChosen([setting]) || off.has(setting) || room-- <= 0)) return false;
    return chosenTraces(panel).length > 0;
  });
}

function drawPanel(figure, panel) {
  const shown = chosenTraces(panel).filter((trace) => !isOff(figure, trace)).map(withLook);
  Plotly.react(panel.plot, shown, layoutOf(panel), CONFIG);
}

// The entries of a legend: each label once, in the order of the panels.
function entriesOf(figure, isWanted, switched, names) {
  const entries = new Map();
  for (const panel of figure.panels.filter(({ element }) => !element.hidden)) {
    for (const trace of panel.spec.data) {
      if (!trace.meta || !trace.name || !isWanted(trace) || entries.has(trace.meta.label)) continue;
      const { line, marker, mode } = withLook(trace);
      const look = { color: line.color, dash: line.dash, marker: marker && marker.symbol, joined: mode !== "markers" };
      const keys = names(trace);
      const isOut = keys.every((key) => switched.has(key));
      const toggle = () => {
        for (const key of keys) isOut ? switched.delete(key) : switched.add(key);
        drawAgain();
      };
      entries.set(trace.meta.label, { label: trace.meta.label, look, isOff: isOut, toggle });
    }
  }
  return [...entries.values()];
}

function drawFigure(figure) {
  const shown = panelsToShow(figure);
  figure.section.hidden = !shown.length;
  figure.section.dataset.shown = shown.length;
  for (const panel of figure.panels) panel.element.hidden = !shown.includes(panel);
  for (const panel of shown) drawPanel(figure, panel);
  const own = entriesOf(figure, (trace) => !isOfSetting(trace), figure.off, (trace) => [trace.meta.label]);
  fillLegend(figure.legend, own);
}

function drawSettings(figures) {
  const isWanted = (trace) => isOfSetting(trace) && isChosen(trace.meta.settings);
  const entries = entriesOf(figures[0], isWanted, off, (trace) => trace.meta.settings);
  fillLegend(chooser.querySelector(".legend"), entries);
  for (const figure of figures) {
    const has = figure.panels.some(({ spec }) => spec.data.some((trace) => trace.meta && isOfSetting(trace)));
    fillLegend(figure.paper, has ? entries : []);
  }
}

function showPictures() {
  for (const element of document.querySelectorAll("#no_plotly, .still")) element.hidden = false;
  for (const panels of document.querySelectorAll(".panels")) panels.hidden = true;
}

const figures = [...document.querySelectorAll(".figures section")].map(readFigure);
if (typeof Plotly === "undefined") showPictures();
else if (figures.length) {
  drawers.push(() => {
    figures.forEach(drawFigure);
    if (choice) drawSettings(figures);
  });
  if (choice) fillChooser(drawAgain);
  drawAgain();
  let waiting = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAgain);
  });
}
