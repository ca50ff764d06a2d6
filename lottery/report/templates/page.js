"use strict";
const CONFIG = { displaylogo: false, showSendToCloud: false };
const HEIGHT = 340; // pixels, without the legend
const AXIS = {
  automargin: true, gridcolor: "#e6e6e6", linecolor: "#444", ticks: "outside", zeroline: false,
};
const LAYOUT = {
  font: { family: "system-ui, sans-serif", size: 13, color: "#222" },
  hovermode: "closest",
  showlegend: true,
  legend: {
    orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, xanchor: "left",
    font: { size: 12 },
    maxheight: 1, // of the plot; the default is half of it, with a scroll bar
  },
};
// Rows of the legend below a plot; plotly makes no room for it by itself.
function legendRows(traces, width) {
  const names = traces.filter((trace) => trace.showlegend !== false).map((trace) => trace.name);
  const entry = 55 + 6.6 * Math.max(...names.map((name) => name.length), 1);
  return Math.ceil(names.length / Math.max(1, Math.floor((width - 20) / entry)));
}
function complete(layout, data, width) {
  const legend = 29 * legendRows(data, width) + 4;
  const margin = { l: 60, r: layout.yaxis2 ? 70 : 15, t: 36, b: 50 + legend };
  const axes = Object.keys(layout).filter((name) => /axis/.test(name));
  const completed = axes.map((name) => [name, { ...AXIS, ...layout[name] }]);
  const size = { width, height: HEIGHT + legend };
  return { ...LAYOUT, ...layout, ...Object.fromEntries(completed), ...size, margin };
}
function draw(panel) {
  const { data, layout } = JSON.parse(panel.querySelector("script").textContent);
  const plot = panel.appendChild(document.createElement("div"));
  Plotly.newPlot(plot, data, complete(layout, data, panel.clientWidth), CONFIG);
  window.addEventListener("resize", () =>
    Plotly.relayout(plot, complete(layout, data, panel.clientWidth)));
}
function showPictures() {
  const stills = document.querySelectorAll("#no_plotly, .still");
  for (const element of stills) element.hidden = false;
  for (const panels of document.querySelectorAll(".panels")) panels.hidden = true;
}
if (typeof Plotly === "undefined") showPictures();
else document.querySelectorAll(".panel").forEach(draw);
