// The reader's own setting, and the run nearest to it among those that were trained.

/** The run nearest to a wish {label | loss, lr_d, lr_g, seed}: by label, then by the rates' ratios, then by seed. */
function nearest(wish) {
  const distance = (run) => [
    wish.loss === undefined ? labelDistance(run, wish.label) : run.loss === wish.loss ? 0 : Infinity,
    Math.hypot(Math.log(run.lr_d / wish.lr_d), Math.log(run.lr_g / wish.lr_g)),
    run.seed === wish.seed ? 0 : 1 + run.seed,
  ];
  const before = (a, b) => {
    const i = a.findIndex((part, k) => Math.abs(part - b[k]) > 1e-9);
    return i >= 0 && a[i] < b[i];
  };
  return show.runs.reduce((best, run, place) => before(distance(run), distance(show.runs[best])) ? place : best, 0);
}

function labelDistance(run, label) {
  const own = show.losses[run.loss].label;
  return own === null ? Infinity : Math.abs(own - label);
}

/** What the form says, as a wish; or which field is wrong. */
function wished(form) {
  const fields = {t: "allowed_t", lr_d: "allowed_lr", lr_g: "allowed_lr", seed: "allowed_seed"};
  const allowed = {t: (v) => v >= 0 && v <= 1, lr_d: (v) => v > 0, lr_g: (v) => v > 0, seed: (v) => v >= 0 && Number.isInteger(v)};
  const kind = form.elements.kind.value, found = {};
  for (const name of Object.keys(fields)) {
    const input = form.elements[name], text = input.value.trim().replace(",", "."), value = Number(text);
    const wrong = !(name === "t" && kind !== "label") && (text === "" || !Number.isFinite(value) || !allowed[name](value));
    input.setAttribute("aria-invalid", String(wrong));
    if (wrong) return {wrong: say("box.wrong", {what: say(`box.what_${name}`), allowed: say(`box.${fields[name]}`)})};
    found[name] = value;
  }
  const {t, ...rest} = found;
  return {wish: kind === "label" ? {...rest, label: t} : {...rest, loss: Number(kind)}};
}

/** The box: it answers while the reader types. Returns what shows a frame. */
function readersBox() {
  const form = document.getElementById("wish"), answer = document.getElementById("nearest"), host = document.getElementById("chosen");
  const text = document.getElementById("box-text"), kind = form.elements.kind;
  let place = null, card = null, frame = 0;
  const others = show.losses.map((loss, i) => [loss, i]).filter(([loss]) => loss.label === null);
  kind.append(new Option("", "label"), ...others.map(([, i]) => new Option("", String(i))));

  function answered() {
    form.elements.t.disabled = kind.value !== "label";
    const {wish, wrong} = wished(form);
    if (wrong) { answer.textContent = wrong; return; }
    const found = nearest(wish);
    if (found !== place) {
      place = found;
      host.replaceChildren();
      card = stand(host, "card-chosen", place);
    }
    answer.textContent = answerText(wish, show.runs[place]);
    card(frame);
  }

  form.addEventListener("input", answered);
  form.addEventListener("submit", (event) => event.preventDefault());
  return (now) => {
    frame = now;
    kind.options[0].text = say("box.kind_label");
    others.forEach(([, i], k) => { kind.options[k + 1].text = nameOf({loss: i}); });
    tell(text, boxText());
    answered();
  };
}

function answerText(wish, run) {
  const loss = show.losses[run.loss];
  const asked = {t: wish.label, lr_d: wish.lr_d, lr_g: wish.lr_g, seed: wish.seed};
  const got = {t: loss.label, lr_d: run.lr_d, lr_g: run.lr_g, seed: run.seed};
  const other = Object.keys(asked).filter((name) => asked[name] !== undefined && Math.abs(asked[name] - got[name]) > 1e-12);
  const parts = {run: say("box.run", runParts(run))};
  if (!other.length) return say("box.exact", parts);
  const differences = other.map((name) => say("box.difference", {what: say(`box.what_${name}`), got: rate(got[name]), asked: rate(asked[name])}));
  return say("box.nearest", {...parts, differences: differences.join(say("page.and"))});
}

function boxText() {
  const labels = [...new Set(show.losses.map((loss) => loss.label).filter((label) => label !== null))].sort((a, b) => a - b);
  const pairs = new Set(show.runs.map((run) => `${run.lr_d} ${run.lr_g}`)).size, seeds = new Set(show.runs.map((run) => run.seed)).size;
  return say("box.text", {runs: show.runs.length, labels: labels.map(rate).join(", "), pairs, seeds});
}
