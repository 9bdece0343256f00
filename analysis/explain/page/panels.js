// The panels of one run. Each function builds a panel once and returns what shows a frame in it.

const WIDE = 250, LEFT = 20, RIGHT = 244;
const onX = scale(points[0], points.at(-1), LEFT, RIGHT);
const onFrames = scale(0, last, LEFT, RIGHT);
const xTicks = [-4, 0, 4, 8, 12].filter((x) => x >= points[0] && x <= points.at(-1)).map((x) => [onX(x), String(x).replace("-", "−")]);
const stepTicks = ticksOf([0, 50, 200, 500, 1000, last]);

/** Pixels of an arrow for a force of 1, and of the longest. */
const PUSH = 16, LONGEST = 46;
/** The density at the top of its panel. */
const TOP = 0.62;
/** The losses at the ends of their panels: all of minimax and what matters of label True; steeper ones leave. */
const LOSSES = [-1.2, 4.2];

/** Frames of the steps nearest to these; the last is the last frame. */
function ticksOf(steps) {
  return steps.map((step) => {
    const frame = step === last ? last : show.steps.reduce((best, s, i) => Math.abs(s - step) < Math.abs(show.steps[best] - step) ? i : best, 0);
    return [onFrames(frame), String(show.steps[frame])];
  });
}

/** Density against the target above, and below it each drawn value in a row of its own with its arrow. */
function lawPanel(card) {
  const top = 14, base = 96, first = 112, apart = 3.6, count = show.levels.length;
  const bottom = first + apart * (count - 1);
  const onDensity = scale(0, TOP, base, top), onRank = (i) => bottom - apart * i;
  const drawing = canvas(WIDE, bottom + 22);
  const name = label(LEFT, 9, "start", "name"), targetName = label(onX(show.target.values.at(-1)) + 4, base - 22, "start", "");
  const ranks = label(LEFT, base + 11, "start", "");
  const law = node("path", {class: "law"}), dots = node("path", {class: "dot"}), pushes = node("path", {class: "push"});
  const beyond = label(0, top + 14, "start", "tell");
  const clip = node("clipPath", {id: `above-${card.id}`}, node("rect", {x: LEFT, y: top, width: RIGHT - LEFT, height: base - top}));
  const xs = points.map(onX);
  drawing.append(clip, name, targetName, ranks,
    node("path", {class: "target", d: area(xs, show.target.density.map(onDensity), base)}),
    node("g", {"clip-path": `url(#above-${card.id})`}, law), node("path", {class: "axis", d: `M${LEFT} ${base}H${RIGHT}`}),
    node("path", {class: "rank", d: through(show.target.values.map(onX), show.levels.map((_, i) => onRank(i)))}),
    pushes, dots, beyond, axis(bottom + 5, LEFT, RIGHT, xTicks));
  card.append(drawing);
  return (now) => {
    name.textContent = say("panel.density");
    ranks.textContent = say("panel.ranks", {count});
    targetName.textContent = say("panel.target");
    law.setAttribute("d", area(xs, now.density.map(onDensity), base));
    const places = now.values.map((x) => within(onX(x), LEFT, RIGHT));
    dots.setAttribute("d", places.map((x, i) => `M${(x - 1.7).toFixed(1)} ${onRank(i)}a1.7 1.7 0 1 0 3.4 0a1.7 1.7 0 1 0 -3.4 0`).join(""));
    pushes.setAttribute("d", places.map((x, i) => arrow(x, onRank(i), within(PUSH * now.forces[i], -LONGEST, LONGEST))).join(""));
    const side = now.mean < points[0] ? -1 : now.mean > points.at(-1) ? 1 : 0;
    beyond.textContent = side ? `${side < 0 ? "← " : ""}${say("panel.beyond", {mean: number(now.mean)})}${side > 0 ? " →" : ""}` : "";
    beyond.setAttribute("x", side < 0 ? LEFT : RIGHT);
    beyond.setAttribute("text-anchor", side < 0 ? "start" : "end");
    drawing.setAttribute("aria-label", say("sentence.density_aria", {...card.told(now), target: show.target.text}));
  };
}

/** D's probability over x, with the target's mean marked. */
function decisionPanel(card) {
  const top = 14, base = 64, onShare = scale(0, 1, base, top);
  const drawing = canvas(WIDE, base + 16);
  const name = label(LEFT, 9, "start", "name"), unit = label(RIGHT, 9, "end", "");
  const curve = node("path", {class: "curve"});
  drawing.append(name, unit, node("path", {class: "axis", d: `M${LEFT} ${onShare(0.5)}H${RIGHT}`, "stroke-dasharray": "2 3"}),
    ...[0, 0.5, 1].map((share) => label(LEFT - 4, onShare(share) + 3, "end", "", share === 0.5 ? "½" : String(share))),
    curve, axis(base, LEFT, RIGHT, xTicks));
  card.append(drawing);
  return (now) => {
    name.textContent = say("panel.decision");
    unit.textContent = say("panel.probability");
    curve.setAttribute("d", through(points.map(onX), now.decision.map(onShare)));
    drawing.setAttribute("aria-label", say("sentence.decision_aria", card.told(now)));
  };
}

/** Curves over the steps with a cursor: name, key of the label, axis marks, and of each curve its class and numbers. */
function stepsPanel(card, key, height, ends, marks, curves, aria) {
  const top = 14, base = top + height, onY = scale(...ends, base, top);
  const drawing = canvas(WIDE, base + 16);
  const name = label(LEFT, 9, "start", "name");
  const cursor = node("path", {class: "cursor"});
  const keep = (value) => value === null ? null : onY(within(value, ...ends));
  drawing.append(name, ...marks.map((mark) => label(LEFT - 4, onY(mark) + 3, "end", "", String(mark).replace("-", "−"))), axis(base, LEFT, RIGHT, stepTicks));
  const now = [];
  for (const {kind, of, told} of curves) {
    const values = card.run[of];
    drawing.append(node("path", {class: kind, d: through(values.map((_, i) => onFrames(i)), values.map(keep))}));
    const dot = node("circle", {class: "now", r: 3.2}), text = label(0, 0, "start", kind === "curve" ? "tell" : "halo");
    now.push({values, dot, text, told});
  }
  drawing.append(cursor, ...now.flatMap(({dot, text}) => [dot, text]));
  card.append(drawing);
  return (frame) => {
    name.textContent = say(key);
    cursor.setAttribute("d", `M${onFrames(frame.frame).toFixed(1)} ${top}V${base}`);
    const right = frame.frame > last * 0.62;
    const ys = now.map(({values}) => keep(values[frame.frame]));
    // Two names at one height: the lower goes below its curve.
    const close = ys.length > 1 && ys[0] !== null && ys[1] !== null && Math.abs(ys[0] - ys[1]) < 11;
    now.forEach(({values, dot, text, told}, i) => {
      const y = ys[i];
      dot.style.display = text.style.display = y === null ? "none" : "";
      if (y === null) return;
      dot.setAttribute("cx", onFrames(frame.frame));
      dot.setAttribute("cy", y);
      text.textContent = `${told ? say(told) + " " : ""}${number(values[frame.frame])}`;
      text.setAttribute("x", onFrames(frame.frame) + (right ? -6 : 6));
      text.setAttribute("y", besides(y, close && (y > ys[1 - i] || (y === ys[1 - i] && i > 0)), top, base));
      text.setAttribute("text-anchor", right ? "end" : "start");
    });
    drawing.setAttribute("aria-label", say(aria, card.told(frame)));
  };
}

/** Where the number of a point stands: above it, or below it where another is above or the panel ends. */
const besides = (y, under, top, base) => y + (under || (y < top + 12 && y < base - 14) ? 12 : -4);

const ksPanel = (card) => stepsPanel(card, "panel.ks", 46, [0, 1], [0, 1], [{kind: "curve", of: "ks"}], "sentence.ks_aria");

const lossPanel = (card) => stepsPanel(card, "panel.losses", 58, LOSSES, [0, 2, 4],
  [{kind: "curve", of: "loss_g", told: "panel.loss_g"}, {kind: "other", of: "loss_d", told: "panel.loss_d"}], "sentence.losses_aria");
