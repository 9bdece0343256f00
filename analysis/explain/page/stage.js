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
  const card = element("article", {class: "card", style: `${toneOf(run)}; --rows: 8`});
  const heading = element("h3"), about = element("p", {class: "about"}), code = element("code");
  const sentence = element("p", {class: "sentence"});
  card.id = id;
  card.run = run;
  card.told = (now) => told(now);
  card.append(heading, about, code);
  code.textContent = `L = ${loss.generator}\ndL/dℓ = ${loss.slope}`;
  const panels = [lawPanel, decisionPanel].map((build) => build(card));
  card.append(sentence);
  panels.push(...[ksPanel, lossPanel].map((build) => build(card)));
  host.append(card);
  return (frame) => {
    const now = frameOf(place, frame);
    heading.textContent = nameOf(run);
    about.textContent = word ? say(`cast.${word}_about`) : say("box.run", {...runParts(run)});
    sentence.textContent = [say("sentence.state", told(now)), say(`sentence.${verdict(now)}`, told(now)), ...(now.ended ? [say("sentence.ended")] : [])].join(say("page.space"));
    for (const panel of panels) panel(now);
  };
}

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
  };
}

function runParts(run) {
  return {name: nameOf(run), lr_d: rate(run.lr_d), lr_g: rate(run.lr_g), seed: run.seed};
}
