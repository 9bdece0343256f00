"use strict";
// Draws the figures when they come near, in the colours of the theme, and repaints them when it changes.
(() => {
  const root = document.documentElement;
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const scenes = new Map();
  for (const element of document.querySelectorAll("script[data-scene]")) scenes.set(element.dataset.scene, element);
  const drawn = new Map();
  const narrow = matchMedia("(max-width: 40rem)");
  const darkens = matchMedia("(prefers-color-scheme: dark)");
  root.classList.add("js");
  // On a narrow page the contents would stand before the answer.
  if (narrow.matches) document.getElementById("contents").open = false;

  // A page in a sandboxed frame may not keep anything: then the choice lasts as long as the page.
  const kept = {
    get() { try { return localStorage.getItem("report-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("report-theme", value); } catch { /* not kept */ } },
  };
  let choice = kept.get();
  if (!["light", "dark"].includes(choice)) choice = "system";
  const theme = () => (choice === "system" ? (darkens.matches ? "dark" : "light") : choice);

  function colour(token) {
    const [name, strength] = token.slice(1).split(":");
    const hex = name === "paper" ? getComputedStyle(root).getPropertyValue("--paper").trim() : themes[theme()][name];
    if (!strength) return hex;
    const parts = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${parts.join(",")},${strength})`;
  }

  // Where text stands in a figure no colour is named: "text" and its kind are left as they are.
  const words = new Set(["text", "ticktext", "hovertext", "name", "meta"]);
  function painted(value, key) {
    if (typeof value === "string") return value[0] === "@" && !words.has(key) ? colour(value) : value;
    if (words.has(key) && Array.isArray(value)) return value;
    if (Array.isArray(value)) {
      return typeof value[0] === "object" && value[0] !== null ? value.map((v) => painted(v, key)) : value;
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, k)]));
    }
    return value;
  }

  function axis(own) {
    const look = { gridcolor: colour("@faint"), linecolor: colour("@quiet"), tickcolor: colour("@quiet"), ticks: "outside",
      ticklen: 4, zeroline: false, automargin: true, showline: true, showgrid: true, exponentformat: "e" };
    const made = { ...look, ...painted(own) };
    made.title = { ...made.title, standoff: 8 };
    if (own.ticktext) { made.ticks = ""; made.showline = false; }
    return made;
  }

  function layout(panel, height) {
    const own = panel.layout;
    const made = {
      ...painted(own), height, xaxis: axis(own.xaxis), yaxis: axis(own.yaxis),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", dragmode: "zoom",
      font: { family: "system-ui, 'DejaVu Sans', sans-serif", size: 12, color: colour("@ink") },
      margin: { l: 50, r: 14, t: own.shapes.some((s) => s.label && s.xref === "x") ? 24 : 8, b: 40 },
      hoverlabel: { namelength: -1, font: { family: "system-ui, 'DejaVu Sans', sans-serif", size: 12 } },
    };
    const grid = panel.data.some((trace) => trace.type === "heatmap");
    if (own.yaxis.ticktext && grid && narrow.matches) {
      for (const side of [made.xaxis, made.yaxis]) if (side.ticktext) side.ticktext = side.ticktext.map(cut);
    } else if (own.yaxis.ticktext && narrow.matches) {
      // Names stand above their line instead of beside it: beside it they would take the whole width.
      const rows = own.yaxis.ticktext.length;
      made.height = height + 24 * rows;
      const shift = Math.round(0.43 * Math.min(60, (made.height - 100) / (rows + 0.5)));
      Object.assign(made.yaxis, { ticklabelposition: "inside", ticklabelshift: shift, ticklabeloverflow: "allow",
        automargin: false });
      if (own.yaxis.range) made.yaxis.range = [own.yaxis.range[0], own.yaxis.range[1] - 0.35];
      made.margin.l = 8;
    }
    if (narrow.matches) made.xaxis.title.text = wrapped(made.xaxis.title.text || "");
    return made;
  }

  function cut(name) {
    // An entity of a name's own text is left whole: names are short enough where they hold one.
    return name.length > 16 && !name.includes("&") ? `${name.slice(0, 9)}…${name.slice(-6)}` : name;
  }

  function wrapped(text) {
    const lines = [""];
    for (const word of text.split(" ")) {
      if (lines.at(-1).length + word.length > 42) lines.push(word); else lines.push(`${lines.pop()} ${word}`.trim());
    }
    return lines.join("<br>");
  }

  function hidden(name) {
    return new Set([...document.querySelectorAll(`[data-keys="${CSS.escape(name)}"] button[aria-pressed="false"]`)]
      .map((button) => button.dataset.key));
  }

  function draw(holder) {
    const name = holder.dataset.figure;
    const scene = JSON.parse(scenes.get(name).textContent);
    const gone = hidden(name);
    try {
      const plots = holder.querySelectorAll(".plot");
      scene.panels.forEach((panel, i) => {
        const data = painted(panel.data);
        for (const trace of data) if (gone.has(trace.meta)) trace.visible = false;
        const around = layout(panel, scene.height);
        plots[i].style.height = `${around.height}px`;
        Plotly.react(plots[i], data, around,
          { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
      });
      drawn.set(holder, true);
    } catch (error) {
      holder.classList.add("failed");
      console.error(`figure ${name}: ${error}`);
    }
    if (drawn.size === holders.length) root.dataset.drawn = "all";
  }

  function prepare(holder) {
    const scene = JSON.parse(scenes.get(holder.dataset.figure).textContent);
    const grid = document.createElement("div");
    grid.className = "panels";
    grid.style.setProperty("--columns", Math.max(1, Math.min(scene.columns, scene.panels.length)));
    for (const panel of scene.panels) {
      const cell = document.createElement("div");
      cell.className = "panel";
      for (const words of [panel.title, panel.detail]) {
        if (!words) continue;
        const line = document.createElement("p");
        line.textContent = words;
        cell.append(line);
      }
      const plot = document.createElement("div");
      plot.className = "plot";
      plot.style.height = `${scene.height}px`;
      cell.append(plot);
      grid.append(cell);
    }
    holder.append(grid);
    const keys = document.querySelector(`[data-keys="${CSS.escape(holder.dataset.figure)}"]`);
    for (const key of scene.keys) keys.append(button(key, holder));
  }

  const shapes = {
    circle: "<circle cx='13' cy='6' r='3.5'/>", square: "<rect x='9.5' y='2.5' width='7' height='7'/>",
    "triangle-up": "<path d='M13 2l4 8h-8z'/>", "triangle-down": "<path d='M13 10l4-8h-8z'/>",
    diamond: "<path d='M13 1.5l4.5 4.5l-4.5 4.5l-4.5-4.5z'/>", cross: "<path d='M11.6 2h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z'/>",
    star: "<path d='M13 1l1.4 3.4h3.6l-2.9 2.3l1.1 3.6l-3.2-2.2l-3.2 2.2l1.1-3.6l-2.9-2.3h3.6z'/>",
    "triangle-left": "<path d='M9 6l8-4v8z'/>", "triangle-right": "<path d='M17 6l-8-4v8z'/>",
  };
  const dashes = { solid: "", dash: "6 3", dot: "2 2.5", dashdot: "6 3 2 3" };

  function button(key, holder) {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.key = key.name;
    made.setAttribute("aria-pressed", "true");
    // The drawing is made of the two tables above and of a colour's name; the key's own name is text.
    const line = `<line x1='0' y1='6' x2='26' y2='6' stroke='currentColor' stroke-width='2' stroke-dasharray='${dashes[key.dash]}'/>`;
    const sign = document.createElement("span");
    sign.setAttribute("aria-hidden", "true");
    sign.dataset.colour = `@${key.colour}`;
    sign.style.color = colour(sign.dataset.colour);
    sign.innerHTML = `<svg width='26' height='12' fill='currentColor'>${line}${shapes[key.marker] || ""}</svg>`;
    made.append(sign, document.createTextNode(key.name));
    made.addEventListener("click", () => {
      const on = made.getAttribute("aria-pressed") !== "true";
      made.setAttribute("aria-pressed", String(on));
      for (const plot of holder.querySelectorAll(".plot")) {
        const own = (plot.data || []).flatMap((trace, i) => (trace.meta === key.name ? [i] : []));
        if (own.length) Plotly.restyle(plot, { visible: on }, own);
      }
    });
    return made;
  }

  function repaint() {
    if (choice === "system") delete root.dataset.theme; else root.dataset.theme = choice;
    for (const made of document.querySelectorAll("[data-theme-choice]")) {
      made.setAttribute("aria-pressed", String(made.dataset.themeChoice === choice));
    }
    for (const sign of document.querySelectorAll("[data-colour]")) sign.style.color = colour(sign.dataset.colour);
    for (const holder of drawn.keys()) draw(holder);
  }

  for (const made of document.querySelectorAll("[data-theme-choice]")) {
    made.addEventListener("click", () => { choice = made.dataset.themeChoice; kept.set(choice); repaint(); });
  }
  darkens.addEventListener("change", () => { if (choice === "system") repaint(); });
  narrow.addEventListener("change", () => { for (const holder of drawn.keys()) draw(holder); });

  const holders = [...document.querySelectorAll(".live")];
  if (!holders.length) root.dataset.drawn = "all";
  holders.forEach(prepare);
  repaint();
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
  }, { rootMargin: "800px" });
  for (const holder of holders) near.observe(holder);
  // What has not come near is drawn while nothing else is to do, one figure at a time.
  const later = window.requestIdleCallback || ((then) => setTimeout(then, 50));
  const rest = () => {
    const next = holders.find((holder) => !drawn.has(holder) && !holder.classList.contains("failed"));
    if (next) { draw(next); later(rest, { timeout: 500 }); }
  };
  later(rest, { timeout: 500 });
})();
