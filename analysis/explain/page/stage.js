// A card for a run: its name, its formula, its panels, and in words what happens at the frame.

/** A run's colour in both themes, for the style sheet. */
function toneOf(run) {
  const {light, dark} = show.losses[run.loss].colours;
  return `--light: ${light}; --dark: ${dark}`;
}

/** The pushes below which a run counts as not pushed. */
const STILL = 0.02;

/** Put a card of a run into the host; ``word`` is its name in the cast, if it has one. Returns what shows a frame. */
function stand(host, id, place, word) {
  const run = show.runs[place], loss = show.losses[run.loss];
  const card = element("article", {class: "card", style: `${toneOf(run)}; --rows: 10`});
  const heading = element("h3"), about = element("p", {class: "about"}), code = element("code");
  card.id = id;
  card.run = run;
  card.told = told;
  card.append(heading, about, code);
  code.textContent = `L = ${loss.generator}\ndL/dℓ = ${loss.slope}`;
  const parts = [lawPanel(card), sentence(card, state), decisionPanel(card), sentence(card, () => ["decision"]),
    ksPanel(card), lossPanel(card), sentence(card, () => ["course"])];
  host.append(card);
  return (frame) => {
    const now = frameOf(place, frame);
    heading.textContent = nameOf(run);
    about.textContent = word ? say(`cast.${word}_about`) : say("box.run", runParts(run));
    for (const part of parts) part(now);
  };
}

/** A line of words below a panel; ``keys`` gives the sentences of a frame. */
function sentence(card, keys) {
  const line = element("p", {class: "sentence"});
  card.append(line);
  return (now) => { line.textContent = keys(now).map((key) => say(`sentence.${key}`, told(now))).join(say("page.space")); };
}

const state = (now) => ["state", verdict(now), ...(now.ended ? ["ended"] : [])];

/** What happens, as the key of a sentence: told from numbers alone. */
function verdict({ks, push, toward}) {
  if (ks <= show.success) return "there";
  if (push < STILL) return "still";
  return toward >= 0.5 ? "toward" : "away";
}

/** A frame's numbers as the texts write them. */
function told(now) {
  return {
    name: nameOf(now.run), step: whole(now.step), mean: number(now.mean), sd: number(now.sd), ks: number(now.ks),
    push: number(now.push), toward: percent(now.toward), loss_d: number(now.lossD), loss_g: number(now.lossG),
    first: number(now.run.ks[0]), last: number(now.run.ks.at(-1)),
    at_target: percent(between(points, now.decision, show.target.mean)), at_mean: percent(between(points, now.decision, now.mean)),
  };
}

function runParts(run) {
  return {name: nameOf(run), lr_d: rate(run.lr_d), lr_g: rate(run.lr_g), seed: run.seed};
}
