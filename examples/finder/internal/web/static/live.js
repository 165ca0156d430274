// The dashboard while somebody looks: its charts move, and its figures and tables are those of now. What it shows comes
// as server-sent events. Without this file it is what it was when it was loaded.
"use strict";

const span = 20 * 60; // seconds that a chart shows
const note = document.getElementById("live");

// Figures as a person reads them. charts.go does the same.
const units = {
  bytes(n) {
    const names = ["B", "kB", "MB", "GB", "TB"];
    let i = 0;
    while (n >= 999.5 && i < names.length - 1) { n /= 1000; i++; }
    return (n < 9.95 && i > 0 ? n.toFixed(1) : Math.round(n)) + " " + names[i];
  },
  percent: n => n.toFixed(n > 0 && n < 1 ? 2 : 1) + " %",
  ms: n => n.toFixed(1) + " ms",
};

// A Chart draws what the server has drawn into figure, anew and larger with each sample.
class Chart {
  constructor(figure) {
    this.figure = figure;
    this.write = units[figure.dataset.unit];
    this.series = [...figure.querySelectorAll("[data-key]")].map(item => ({
      key: item.dataset.key, factor: Number(item.dataset.factor), bound: "bound" in item.dataset,
      mark: item.querySelector("svg"), now: item.querySelector("b"),
    }));
    this.data = [[], ...this.series.map(() => [])];
    this.place = figure.querySelector(".plot");
    new ResizeObserver(() => this.fit()).observe(this.place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
  }

  // size leaves no room for a canvas that is not there yet.
  size() { return { width: Math.max(this.place.clientWidth, 120), height: this.place.clientHeight }; }

  fit() {
    if (this.plot) this.plot.setSize(this.size());
  }

  make() {
    this.plot?.destroy();
    this.place.textContent = "";
    const soft = getComputedStyle(this.figure.querySelector(".help")).color;
    const line = getComputedStyle(this.figure).borderTopColor;
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { y: false, drag: { x: false } },
      scales: { y: { range: () => [0, this.top()] } },
      axes: [
        { ...axis, size: 28, space: 90, incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300], values: (_, times) => times.map(this.clock, this) },
        { ...axis, size: 66, space: 36, values: (_, values) => values.map(v => this.write(v)) },
      ],
      series: [{}, ...this.series.map(s => {
        const style = getComputedStyle(s.mark);
        const dash = style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(/[ ,]+/).map(parseFloat);
        return { stroke: style.color, width: 2, dash, spanGaps: true, points: { show: false } };
      })],
      hooks: { setCursor: [() => this.tell()] },
    }, this.data, this.place);
    this.tell();
  }

  // clock writes a time, with seconds if the chart does not show many minutes yet.
  clock(t) {
    const times = this.data[0];
    const brief = times[times.length - 1] - times[0] > 300;
    return new Date(t * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: brief ? undefined : "2-digit" });
  }

  // top is the end of the scale: above all figures, and above a limit unless it is far away.
  top() {
    if (this.figure.dataset.unit === "percent" && this.series.length === 1) return 100;
    let top = 0, bound = 0;
    this.series.forEach((s, i) => {
      const most = this.data[i + 1].reduce((most, v) => Math.max(most, v ?? 0), 0);
      if (s.bound) bound = Math.max(bound, most); else top = Math.max(top, most);
    });
    if (bound > 0 && bound <= 12 * top) top = Math.max(top, bound);
    return top * 1.12 || 1;
  }

  // add takes samples, which must be later than those before.
  add(samples) {
    for (const sample of samples) {
      this.data[0].push(sample.at / 1000);
      this.series.forEach((s, i) => this.data[i + 1].push(sample[s.key] === null ? null : sample[s.key] * s.factor));
    }
    const times = this.data[0];
    const old = times.findIndex(t => t >= times[times.length - 1] - span);
    if (old > 0) this.data.forEach(values => values.splice(0, old));
    if (this.plot) this.plot.setData(this.data); else this.make();
    this.figure.dataset.points = times.length;
    this.tell();
  }

  // tell writes the figures under the cursor, or else the last ones, into the legend.
  tell() {
    const at = this.plot?.cursor.idx ?? this.data[0].length - 1;
    this.series.forEach((s, i) => {
      const value = this.data[i + 1][at];
      s.now.textContent = value == null ? "–" : this.write(value);
    });
  }
}

const charts = [...document.querySelectorAll(".chart")].map(figure => new Chart(figure));

let last = 0; // time of the last sample

function take(samples) {
  const later = samples.filter(s => s.at > last);
  if (later.length === 0) return;
  last = later[later.length - 1].at;
  charts.forEach(chart => chart.add(later));
}

// say tells everybody, those included who do not see the page.
function say(text) {
  if (note.textContent !== text) note.textContent = text;
}

// redraw replaces the parts of the page that the server has drawn anew, but for the one that has the focus.
function redraw(html) {
  const before = document.getElementById("now").dataset;
  const news = new DOMParser().parseFromString(html, "text/html");
  const after = news.getElementById("now").dataset;
  const fresh = Number(after.alert) > Number(before.alert) ? news.querySelector("#alerts tbody tr") : null;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = news.getElementById(part.id);
    if (part.contains(document.activeElement) || part.innerHTML === next.innerHTML) continue;
    const scrolled = [...part.querySelectorAll(".scroll")].map(s => s.scrollLeft);
    part.replaceWith(next);
    next.querySelectorAll(".scroll").forEach((s, i) => { s.scrollLeft = scrolled[i] ?? 0; });
  }
  if (fresh) say("Alert: " + fresh.cells[2].textContent);
  else if (before.condition !== after.condition) say("Live: " + after.condition);
}

const events = new EventSource("/admin/live/events");
events.addEventListener("open", () => say("Live"));
events.addEventListener("samples", e => take(JSON.parse(e.data)));
events.addEventListener("sample", e => take([JSON.parse(e.data)]));
events.addEventListener("report", e => redraw(e.data));
events.addEventListener("error", () => {
  say(events.readyState === EventSource.CLOSED ? "No longer live: reload the page" : "No connection; trying again");
});
