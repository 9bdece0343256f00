// SVG by hand: elements, scales, paths. Colours and type are the style sheet's.

const SVG = "http://www.w3.org/2000/svg";

function node(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A drawing of so many units that tells what it shows by its label. */
function canvas(width, height) {
  return node("svg", {viewBox: `0 0 ${width} ${height}`, role: "img"});
}

const scale = (low, high, from, to) => (value) => from + (value - low) / (high - low) * (to - from);
const within = (value, low, high) => Math.max(low, Math.min(high, value));

/** The path through points; it is broken where a number is missing. */
function through(xs, ys) {
  let pen = "M";
  return xs.map((x, i) => {
    if (ys[i] === null || !Number.isFinite(ys[i])) { pen = "M"; return ""; }
    const part = `${pen}${x.toFixed(1)} ${ys[i].toFixed(1)}`;
    pen = "L";
    return part;
  }).join("");
}

/** The path around the area between points and a base line. */
const area = (xs, ys, base) => `${through(xs, ys)}L${xs.at(-1).toFixed(1)} ${base}L${xs[0].toFixed(1)} ${base}Z`;

/** A text; the key of its words is kept, so that another language finds it. */
function label(x, y, anchor, kind, text = "") {
  const made = node("text", {x, y, "text-anchor": anchor, ...(kind ? {class: kind} : {})});
  made.textContent = text;
  return made;
}

/** A horizontal axis line with ticks: pairs of a place and what stands below it. */
function axis(y, from, to, ticks) {
  const group = node("g", {}, node("path", {class: "axis", d: `M${from} ${y}H${to}`}));
  for (const [x, text] of ticks) {
    group.append(node("path", {class: "axis", d: `M${x} ${y}v3`}), label(x, y + 12, "middle", "", text));
  }
  return group;
}

/** An arrow from a point along x; where it would be too short to see, its tip alone, beside the point. */
function arrow(x, y, length) {
  if (length === 0) return "";
  if (Math.abs(length) < 4) return `M${(x + 3 * Math.sign(length)).toFixed(1)} ${(y - 1.7).toFixed(1)}l${2 * Math.sign(length)} 1.7l${-2 * Math.sign(length)} 1.7`;
  const tip = x + length, barb = Math.sign(length) * Math.min(3, Math.abs(length) / 2);
  return `M${x.toFixed(1)} ${y.toFixed(1)}H${tip.toFixed(1)}m${-barb} ${-2}l${barb} 2l${-barb} 2`;
}
