// The recorded runs: what analysis/explain/encode.py put into the page, and one frame of it at a time.

const show = JSON.parse(document.getElementById("show").textContent);
const last = show.steps.length - 1;
const points = spread(show.grid);
const logits = spread(show.logits);
const bytes = unpacked(show.packed.density, Uint8Array);
const decisions = unpacked(show.packed.decision, Uint8Array);
const samples = unpacked(show.packed.samples, Int16Array);
const castWords = Object.keys(show.cast);

function spread({low, high, count}) {
  return Array.from({length: count}, (_, i) => low + (high - low) * i / (count - 1));
}

// Typed arrays read numbers in the machine's own order, which is the packed one, little-endian, wherever browsers run.
function unpacked(text, kind) {
  return new kind(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);
}

/** What is drawn of a run at a frame; a run that stopped early stays at its last one. */
function frameOf(place, asked) {
  const run = show.runs[place];
  const frame = Math.min(asked, run.frames - 1);
  const at = place * show.steps.length + frame;
  const from = at * show.levels.length * 3;
  const sample = (part) => show.levels.map((_, i) => samples[from + 3 * i + part] * show.units[part]);
  const row = at * points.length;
  return {
    run, frame, ended: asked >= run.frames, step: show.steps[frame],
    values: sample(0), logits: sample(1), forces: sample(2),
    density: points.map((_, i) => (bytes[row + i] / 255) ** 2 * show.densest),
    decision: points.map((_, i) => decisions[row + i] / 255),
    mean: run.mean[frame], sd: run.sd[frame], ks: run.ks[frame], push: run.push[frame], toward: run.toward[frame],
    lossD: run.loss_d[frame], lossG: run.loss_g[frame],
  };
}

/** The value of a curve over evenly spread places, between two of them on a line, beyond them the nearest end's. */
function between(places, curve, x) {
  const i = (x - places[0]) / (places[1] - places[0]);
  const left = Math.max(0, Math.min(places.length - 2, Math.floor(i)));
  const share = Math.max(0, Math.min(1, i - left));
  return curve[left] * (1 - share) + curve[left + 1] * share;
}
