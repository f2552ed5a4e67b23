"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Dragging a picture on a touch screen would keep the page from scrolling.
  const touch = matchMedia("(pointer: coarse)").matches;
  const shown = new Map();

  const themed = (figure) => {
    const font = { color: css("--ink"), family: css("--sans"), size: 13 };
    const layout = { ...figure.layout, font, autosize: true };
    layout.hoverlabel = {
      ...layout.hoverlabel,
      bgcolor: css("--sheet"),
      bordercolor: css("--line"),
      font,
    };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: css("--quiet"), activecolor: css("--ink") };
    if (touch) layout.dragmode = false;
    for (const axis of ["xaxis", "yaxis"]) {
      layout[axis] = { ...layout[axis], gridcolor: css("--line"), linecolor: css("--line") };
    }
    for (const place of layout.meta?.label_traces ?? []) {
      const labels = figure.data[place];
      labels.textfont = { ...labels.textfont, color: css("--ink") };
      // Best-connected entities come first; a narrow screen has room for few names.
      if (innerWidth < 640) labels.text = labels.text.map((name, at) => (at < 12 ? name : ""));
    }
    for (const place of Object.values(layout.meta?.level_traces ?? {})) {
      figure.data[place].marker.line.color = css("--sheet");
    }
    return layout;
  };

  const draw = () => {
    for (const [box, figure] of shown) {
      const isGraph = Boolean(figure.layout.meta?.level_traces);
      // The menu that this page leaves out had its room below the matrix.
      if (box.dataset.picture === "matrix") figure.layout.margin.b = 8;
      if (isGraph) figure.layout.margin = { l: 8, r: 8, t: 24, b: 8 };
      Plotly.react(box, figure.data, themed(figure), {
        responsive: true,
        displaylogo: false,
        displayModeBar: isGraph,
        modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
      });
    }
  };

  for (const box of document.querySelectorAll("[data-picture]")) {
    const source = document.getElementById(`picture-${box.dataset.picture}`);
    shown.set(box, JSON.parse(source.textContent));
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  for (const button of document.querySelectorAll("button[data-view]")) {
    const of = button.dataset.pictureOf;
    button.addEventListener("click", () => {
      for (const one of document.querySelectorAll(`button[data-picture-of="${of}"]`)) {
        one.setAttribute("aria-pressed", String(one === button));
      }
      for (const [box, figure] of shown) {
        if (box.dataset.picture !== of) continue;
        for (const [view, place] of Object.entries(figure.layout.meta.views)) {
          figure.data[place].visible = view === button.dataset.view;
        }
      }
      draw();
    });
  }

  const buttons = [...document.querySelectorAll("button[data-level]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const level = button.dataset.level;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      for (const box of document.querySelectorAll("[data-reports]")) {
        box.hidden = box.dataset.reports !== level;
      }
      for (const [box, figure] of shown) {
        const places = figure.layout.meta?.level_traces;
        if (!places) continue;
        for (const [name, place] of Object.entries(places)) {
          figure.data[place].visible = name === level;
        }
        draw();
      }
    });
  }
})();
