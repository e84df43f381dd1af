// Charts, a copy button, questions before what cannot be undone. Pages work without it.
"use strict";
(() => {
  // A canvas knows no light-dark(): let the page say which colour it is.
  const css = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const hour = (at) => `${String(new Date(at * 1000).getUTCHours()).padStart(2, "0")}:00`;

  const draw = () => {
    const source = document.getElementById("chart");
    if (!source || !window.uPlot) return;
    const data = JSON.parse(source.textContent);
    const colours = { requests: css("--accent"), errors: css("--bad"), ttft: css("--accent") };
    for (const place of document.querySelectorAll(".chart")) {
      const names = place.dataset.series.split(" ");
      const unit = place.dataset.unit || "";
      const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } };
      place.replaceChildren();
      new uPlot({
        width: place.clientWidth, height: 190, legend: { live: true },
        scales: { y: { range: (_, low, high) => [0, Math.max(high || 0, 1)] } },
        axes: [{ ...axis, values: (_, all) => all.map(hour) }, { ...axis, size: 64, values: (_, all) => all.map((one) => `${one.toLocaleString()} ${unit}`.trim()) }],
        series: [{ label: "hour (UTC)", value: (_, at) => (at == null ? "" : hour(at)) }, ...names.map((name) => ({ label: name, stroke: colours[name], width: 2, points: { show: true, size: 5 } }))],
      }, [data.at, ...names.map((name) => data[name])], place);
    }
  };

  const ready = () => {
    draw();
    for (const field of document.querySelectorAll("[data-once]")) field.value = "con_" + crypto.randomUUID();
  };
  document.addEventListener("DOMContentLoaded", ready);
  document.addEventListener("htmx:afterSwap", ready);
  window.addEventListener("resize", draw);
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const wanted = event.target.dataset && event.target.dataset.copy;
    if (wanted) navigator.clipboard.writeText(document.querySelector(wanted).textContent).then(() => { event.target.textContent = "Copied"; });
  });
})();
