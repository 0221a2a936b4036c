// The trend with a cursor: the same points that the server has drawn, replaced only when the chart library is there.

for (const box of document.querySelectorAll("[data-trend]")) draw(box);

function draw(box) {
  if (!window.uPlot) return;
  const points = JSON.parse(box.dataset.trend);
  if (points.length < 3) return;
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("span");
  box.append(probe);
  const color = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const axis = { stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.getPropertyValue("--font")}` };
  const language = document.documentElement.lang;
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
  const value = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const options = {
    width: box.clientWidth,
    height: 210,
    scales: { y: { range: [0, 100] } },
    axes: [{ ...axis, values: (_, splits) => splits.map((at) => day.format(at * 1000)) }, { ...axis, size: 36 }],
    series: [
      { value: (_, at) => (at == null ? "" : day.format(at * 1000)), label: box.dataset.day },
      { label: box.dataset.label, stroke: color("--accent"), width: 2, fill: color("--accent-wash"), points: { size: 6 }, value: (_, y) => (y == null ? "" : value.format(y)) },
      { label: box.dataset.calls, show: true, scale: "n", stroke: "transparent", points: { show: false } },
    ],
    tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), "UTC"),
  };
  const data = [points.map(([at]) => Date.parse(at) / 1000), points.map(([, mean]) => mean), points.map(([, , n]) => n)];
  probe.remove();
  const picture = box.querySelector("svg");
  picture.hidden = true;
  picture.setAttribute("hidden", "");
  const chart = new window.uPlot(options, data, box);
  new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: 210 })).observe(box);
}
