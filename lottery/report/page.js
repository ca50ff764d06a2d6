"use strict";
const CONFIG = { displaylogo: false, showSendToCloud: false };
// Room for the legend below a plot, which plotly does not make by itself.
function rows(traces, width) {
  const names = traces.filter((trace) => trace.showlegend !== false).map((trace) => trace.name);
  const entry = 55 + 6.6 * Math.max(...names.map((name) => name.length), 1);
  return Math.ceil(names.length / Math.max(1, Math.floor((width - 20) / entry)));
}
function sized(layout, data, width) {
  const legend = 29 * rows(data, width) + 4;
  const margin = { ...layout.margin, b: 50 + legend };
  return { ...layout, margin, height: layout.height + legend, width };
}
for (const panel of document.querySelectorAll(".panel")) {
  const { data, layout } = JSON.parse(panel.querySelector("script").textContent);
  const plot = panel.appendChild(document.createElement("div"));
  Plotly.newPlot(plot, data, sized(layout, data, panel.clientWidth), CONFIG);
  window.addEventListener("resize", () =>
    Plotly.relayout(plot, sized(layout, data, panel.clientWidth)));
}
