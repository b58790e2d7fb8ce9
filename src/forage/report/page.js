"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const hidden = new Set();

  // Figures name colours as "$c1" or "$c1@0.2"; the style sheet knows what they are in this theme.
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    return (text) => {
      const found = /^\$([a-z0-9]+)(?:@([0-9.]+))?$/.exec(text);
      if (!found) return text;
      const hex = style.getPropertyValue("--" + found[1]).trim();
      const part = (at) => parseInt(hex.slice(at, at + 2), 16);
      return `rgba(${part(1)},${part(3)},${part(5)},${found[2] ?? 1})`;
    };
  };

  const paint = (value, colour) => {
    if (typeof value === "string") return colour(value);
    if (Array.isArray(value)) return value.map((inner) => paint(inner, colour));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, paint(inner, colour)]));
    }
    return value;
  };

  const axis = (own, small) => ({
    gridcolor: "$grid", linecolor: "$line", tickcolor: "$line", zerolinecolor: "$muted", zeroline: false,
    fixedrange: true, automargin: true, ...own,
    title: { standoff: small ? 6 : 10, ...own?.title, font: { size: small ? 12 : 13, color: "$muted" } },
  });

  const layout = (own, small) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified", hoverdistance: 100,
    dragmode: false, font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: small ? 12 : 13, color: "$ink" },
    hoverlabel: { bgcolor: "$card", bordercolor: "$line", font: { color: "$ink", size: 12.5 }, namelength: -1 },
    margin: small ? { l: 44, r: 8, t: 6, b: 36 } : { l: 56, r: 14, t: 10, b: 48 },
    ...own, xaxis: axis(own.xaxis, small), yaxis: axis(own.yaxis, small),
  });

  // Where ticks would collide, every second one keeps its label.
  const thinTicks = (own, width) => {
    const texts = own.xaxis?.ticktext;
    if (!texts || texts.length * 46 < width) return own;
    return { ...own, xaxis: { ...own.xaxis, ticktext: texts.map((text, index) => (index % 2 ? "" : text)) } };
  };

  const draw = () => {
    const colour = theme();
    for (const [id, figure] of Object.entries(figures)) {
      const element = document.getElementById(id);
      const small = element.clientWidth < 480;
      const data = figure.data.map((trace) => ({ ...trace, visible: !hidden.has(trace.legendgroup) }));
      Plotly.react(element, paint(data, colour), paint(layout(thinTicks(figure.layout, element.clientWidth), small), colour), {
        responsive: true, displayModeBar: false, displaylogo: false, scrollZoom: false, doubleClick: false,
      });
    }
  };

  const legend = () => {
    for (const button of document.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const key = button.dataset.series;
        hidden[hidden.has(key) ? "delete" : "add"](key);
        for (const other of document.querySelectorAll(".legend button")) {
          other.setAttribute("aria-pressed", String(!hidden.has(other.dataset.series)));
        }
        draw();
      });
    }
  };

  const strongest = 62; // per cent of colour: beyond it the text would lose contrast
  const shade = (box, mode) => {
    box.dataset.shade = mode;
    const top = Number(mode === "entropy" ? box.dataset.entropyTop : box.dataset.advantageTop);
    for (const token of box.querySelectorAll(".tokens span")) {
      const value = Number(mode === "entropy" ? token.dataset.e : token.dataset.a);
      token.style.setProperty("--part", `${(Math.min(Math.abs(value) / top, 1) * strongest).toFixed(1)}%`);
      token.style.setProperty("--hue", mode === "entropy" ? "var(--shade)" : value < 0 ? "var(--minus)" : "var(--plus)");
    }
    for (const button of box.querySelectorAll(".toggle button")) {
      button.setAttribute("aria-pressed", String(button.dataset.shade === mode));
    }
  };

  const tip = document.getElementById("tip");
  let current = null;
  const leave = () => {
    current?.classList.remove("at");
    current = null;
    tip.hidden = true;
  };
  const show = (token) => {
    leave();
    current = token;
    token.classList.add("at");
    const { e, a, l } = token.dataset;
    const signed = (Number(a) > 0 ? "+" : "") + Number(a).toFixed(3);
    const place = [...token.parentElement.children].indexOf(token) + 1;
    const named = `token ${place}: ${JSON.stringify(token.textContent)}\n`;
    tip.textContent = token.classList.contains("given")
      ? `${named}written by the environment`
      : `${named}entropy ${Number(e).toFixed(3)} nats\n` +
        `probability ${(100 * Math.exp(Number(l))).toFixed(1)}%\nadvantage ${signed}` +
        (token.classList.contains("plan") ? "\nplanning" : "");
    tip.hidden = false;
    const at = token.getClientRects()[0] ?? token.getBoundingClientRect();
    const left = Math.min(Math.max(at.left, 8), innerWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 8 ? at.bottom + 8 : above}px`;
  };

  const responses = () => {
    for (const box of document.querySelectorAll(".responses")) {
      shade(box, "entropy");
      for (const button of box.querySelectorAll(".toggle button")) {
        button.addEventListener("click", () => shade(box, button.dataset.shade));
      }
      for (const block of box.querySelectorAll(".tokens")) {
        const point = (event) => event.target.matches(".tokens span") && show(event.target);
        block.addEventListener("pointerover", point);
        block.addEventListener("click", point);
        block.addEventListener("pointerleave", leave);
        block.addEventListener("blur", leave);
        block.addEventListener("keydown", (event) => {
          if (event.key === "Escape") return leave();
          if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return undefined;
          event.preventDefault();
          const inside = current?.parentElement === block ? current : null;
          const next = event.key === "ArrowRight" ? inside?.nextElementSibling : inside?.previousElementSibling;
          return show(next ?? inside ?? block.firstElementChild);
        });
      }
    }
    addEventListener("scroll", leave, { passive: true });
  };

  draw();
  legend();
  responses();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    draw();
  });
  document.documentElement.dataset.ready = "true";
})();
