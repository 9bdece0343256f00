// The four facts, with the numbers of the frame that is shown.

const cast = castWords.map((word) => ({word, place: show.cast[word], run: show.runs[show.cast[word]]}));

/** The way of the gradient, noise to loss and back, and a table of what is measured in all runs. */
function gradientLesson() {
  const text = document.querySelector("#way p"), figure = document.querySelector("#way .figure");
  const still = document.querySelector("#still > p"), host = document.querySelector("#still .scroll");
  const [first] = cast;
  const draw = wayFigure(figure, first.run);
  return (frame) => {
    const at = Math.min(frame, first.run.frames - 1), m = first.run.measured;
    const parts = {step: whole(show.steps[at]), through: number(m.through_input[at]), cut: number(m.input_cut[at]),
      left: number(m.left_on_d[at]), moved_g: number(m.moved_g[at]), moved_d: number(m.moved_d[at])};
    tell(text, say("lesson.way_text", parts));
    tell(still, say("lesson.still_text", parts));
    draw(parts);
    host.setAttribute("aria-label", say("lesson.table", parts));
    host.replaceChildren(measuredTable(frame, parts));
  };
}

function measuredTable(frame, parts) {
  const columns = ["through_input", "input_cut", "left_on_d", "moved_g", "moved_d"];
  const names = ["run", "through", "cut", "left", "moved_g", "moved_d"].map((key) => say(`lesson.col_${key}`));
  const cells = (tag, texts, scope) => element("tr", {}, ...texts.map((text, i) => element(i && !scope ? "td" : tag, i === 0 || scope ? {scope: scope ?? "row"} : {}, text)));
  const rows = cast.map(({word, run}) => {
    const at = Math.min(frame, run.frames - 1);
    return cells("th", [say(`cast.${word}`), ...columns.map((name) => number(run.measured[name][at]))]);
  });
  return element("table", {}, element("caption", {}, say("lesson.table", parts)),
    element("thead", {}, cells("th", names, "col")), element("tbody", {}, ...rows));
}

/** Boxes z, G, x, D, the logit and the loss; below them the gradient's way back. */
function wayFigure(host, run) {
  const drawing = canvas(430, 118);
  drawing.setAttribute("style", toneOf(run));
  drawing.setAttribute("class", "tone");
  const places = [["z", 18, 18], ["G", 92, 40], ["x", 170, 18], ["D", 248, 40], ["ℓ", 326, 18], ["L", 400, 18]];
  places.forEach(([name, x, size], i) => {
    const boxed = size > 18;
    if (boxed) drawing.append(node("rect", {class: "box", x: x - size / 2, y: 20, width: size, height: 40, rx: 6}));
    const text = label(x, 45, "middle", "name", name);
    text.style.fontSize = "15px";
    drawing.append(text);
    if (i) drawing.append(node("path", {class: "flow", d: `M${places[i - 1][1] + places[i - 1][2] / 2 + 5} 40H${x - size / 2 - 5}m-5 -3l5 3l-5 3`}));
  });
  drawing.append(node("path", {class: "back", d: "M400 56V84H92V66m-4 6l4 -6l4 6"}),
    node("path", {class: "flow", d: "M204 76l8 16m0 -16l-8 16", style: "stroke: var(--ink)"}));
  const value = label(96, 99, "start", "tell"), cut = label(208, 110, "middle", "name");
  drawing.append(value, cut);
  host.append(drawing);
  return (parts) => {
    value.textContent = `‖∂L/∂w‖ = ${parts.through}`;
    cut.textContent = `✂ ${parts.cut}`;
    drawing.setAttribute("aria-label", document.querySelector("#way p").textContent);
  };
}

/** The slopes by the registry's formulas, a panel a run, the values' logits on them. */
function slopeLesson() {
  const text = document.querySelector("#slope > p"), host = document.querySelector("#slope .cards");
  const panels = cast.map(({word, place, run}) => slopePanel(host, word, place, run));
  return (frame) => {
    tell(text, say("lesson.slope_text"));
    for (const panel of panels) panel(frame);
  };
}

function slopePanel(host, word, place, run) {
  const loss = show.losses[run.loss];
  const card = element("div", {class: "card", style: toneOf(run)}), heading = element("h4");
  const drawing = canvas(WIDE, 128), onL = scale(logits[0], logits.at(-1), LEFT, RIGHT), onSlope = scale(-1.05, 1.05, 104, 16);
  const unit = label(LEFT, 9, "start", "name"), dots = node("g"), axisName = label(RIGHT, 101, "end", "");
  const formula = label(RIGHT, 9, "end", "tell", loss.slope);
  drawing.append(unit, formula, node("path", {class: "axis", d: `M${LEFT} ${onSlope(0)}H${RIGHT}`}),
    ...[-1, 0, 1].map((v) => label(LEFT - 4, onSlope(v) + 3, "end", "", String(v).replace("-", "−"))),
    node("path", {class: "curve", d: through(logits.map(onL), loss.slopes.map(onSlope))}), dots, axisName,
    axis(106, LEFT, RIGHT, [-10, -5, 0, 5, 10].map((v) => [onL(v), String(v).replace("-", "−")])));
  card.append(heading, drawing);
  host.append(card);
  return (frame) => {
    const now = frameOf(place, frame);
    heading.textContent = say(`cast.${word}`);
    unit.textContent = say("panel.slope");
    axisName.textContent = say("panel.logit");
    dots.replaceChildren(...now.logits.map((l) => {
      const x = within(l, logits[0], logits.at(-1));
      return node("circle", {class: "now", r: 3.4, cx: onL(x).toFixed(1), cy: onSlope(between(logits, loss.slopes, x)).toFixed(1)});
    }));
    const ends = [...now.logits].sort((a, b) => a - b);
    drawing.setAttribute("aria-label", say("sentence.slope_aria", {...told(now), low: number(loss.slopes[0]), mid: number(between(logits, loss.slopes, 0)),
      high: number(loss.slopes.at(-1)), from: number(ends[0]), to: number(ends.at(-1))}));
  };
}

/** KS over G's loss, a path a run; the pair of frames with equal losses is marked. */
function gradeLesson() {
  const text = document.querySelector("#grade p"), host = document.querySelector("#grade .figure");
  const drawing = canvas(430, 270), onLoss = scale(-1.2, 4.2, 30, 420), onKs = scale(0, 1, 236, 16);
  const axisX = label(420, 262, "end", "name"), axisY = label(30, 9, "start", "name");
  drawing.append(axisX, axisY, axis(238, 30, 420, [-1, 0, 1, 2, 3, 4].map((v) => [onLoss(v), String(v).replace("-", "−")])),
    ...[0, 0.5, 1].map((v) => label(25, onKs(v) + 3, "end", "", String(v))));
  const at = (run, frame) => [onLoss(within(run.loss_g[frame], -1.2, 4.2)), onKs(run.ks[frame])];
  const dots = cast.map(({run}) => {
    const path = run.loss_g.map((v, i) => v === null ? [0, null] : at(run, i));
    const group = node("g", {class: "tone", style: toneOf(run)}, node("path", {class: "curve faint", d: through(path.map(([x]) => x), path.map(([, y]) => y))}));
    const dot = node("circle", {class: "now", r: 5}), name = label(0, 0, "start", "tell");
    drawing.append(group);
    return {dot, name, group: node("g", {class: "tone", style: toneOf(run)}, dot, name)};
  });
  if (show.alike) {
    const {word, early, late} = show.alike;
    const [[x1, y1], [x2, y2]] = [early, late].map((frame) => at(show.runs[show.cast[word]], frame));
    drawing.append(node("path", {class: "cursor", d: `M${x1} ${y1}L${x2} ${y2}`, "stroke-dasharray": "3 3"}));
  }
  drawing.append(...dots.map(({group}) => group));
  host.append(drawing);
  return (frame) => {
    axisX.textContent = say("panel.loss_axis");
    axisY.textContent = say("panel.ks_axis");
    tell(text, gradeText());
    const placed = [];
    dots.forEach(({dot, name}, i) => {
      const {run: own, word} = cast[i], at0 = Math.max(1, Math.min(frame, own.frames - 1)), [x, y] = at(own, at0);
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      placed.push([x, y]);
      name.textContent = say(`cast.${word}`);
    });
    nameDots(dots.map(({name}) => name), placed);
    const states = cast.map(({word, place}) => say("sentence.scatter_state", {...told(frameOf(place, frame)), name: say(`cast.${word}`)}));
    drawing.setAttribute("aria-label", say("sentence.scatter_aria", {step: whole(show.steps[frame]), states: states.join(say("page.and"))}));
  };
}

/** Names to the right of their dots, past any dot that lies close by, each on a line of its own. */
function nameDots(names, placed) {
  const order = placed.map((_, i) => i).sort((a, b) => placed[a][1] - placed[b][1]), taken = [];
  for (const i of order) {
    const [x, y] = placed[i];
    const right = Math.max(...placed.filter(([ox, oy]) => Math.abs(oy - y) < 12 && ox - x < 24).map(([ox]) => ox)) + 9;
    let height = y + 3;
    while (taken.some(([ox, oy]) => Math.abs(oy - height) < 11 && Math.abs(ox - right) < 100)) height += 11;
    taken.push([right, height]);
    names[i].setAttribute("x", right);
    names[i].setAttribute("y", height);
  }
}

function gradeText() {
  const lost = show.runs[show.cast.false];
  const parts = {false_loss: number(lost.loss_g.at(-1)), false_ks: number(lost.ks.at(-1))};
  const texts = [say("lesson.grade_text")];
  if (show.alike) {
    const {word, early, late} = show.alike, run = show.runs[show.cast[word]];
    texts.push(say("lesson.grade_alike", {name: say(`cast.${word}`),
      early_loss: number(run.loss_g[early]), early_step: whole(show.steps[early]), early_ks: number(run.ks[early]),
      late_loss: number(run.loss_g[late]), late_step: whole(show.steps[late]), late_ks: number(run.ks[late])}));
  }
  return [...texts, say("lesson.grade_false", parts)].join(say("page.space"));
}
