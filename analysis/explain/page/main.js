// The player, language and colours; everything that is shown follows one frame.

const html = document.documentElement;
const slider = document.getElementById("slider"), play = document.getElementById("play");
const languageButton = document.getElementById("language"), themeButton = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Milliseconds that a frame stands while it plays, and where a reader asked for little motion. */
const PACE = 160, CALM = 800;
/** The step that is shown at first, where the pushes differ most; play begins at the start. */
const FIRST = 40;
let playing = null, untouched = true;
let theme = remembered("theme", ["light", "dark"]);

const stage = document.getElementById("stage");
const views = [...castWords.map((word) => stand(stage, `card-${word}`, show.cast[word], word)),
  gradientLesson(), slopeLesson(), gradeLesson(), readersBox()];

function draw() {
  const frame = Number(slider.value);
  const text = say("page.step", {step: whole(show.steps[frame]), last: whole(show.steps[last])});
  document.getElementById("step").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  for (const view of views) view(frame);
}

function stop() {
  clearInterval(playing);
  playing = null;
  play.textContent = say("page.play");
}

function start() {
  if (untouched || Number(slider.value) === last) slider.value = 0;
  untouched = false;
  play.textContent = say("page.pause");
  draw();
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    draw();
    if (Number(slider.value) === last) stop();
  }, matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM : PACE);
}

function speak() {
  html.lang = language;
  document.title = say("page.title");
  for (const one of document.querySelectorAll("[data-t]")) tell(one, say(one.dataset.t));
  const other = languages[(languages.indexOf(language) + 1) % languages.length];
  languageButton.textContent = show.texts[other].page.language;
  languageButton.lang = other;
  slider.setAttribute("aria-label", say("page.slider"));
  document.getElementById("player").setAttribute("aria-label", say("page.slider"));
  play.textContent = say(playing ? "page.pause" : "page.play");
  foot();
  late();
  paint();
  draw();
}

/** What is said of minimax, where it is pushed less than label True and arrives all the same. */
function late() {
  const note = document.getElementById("adam");
  note.hidden = !show.late;
  if (!show.late) return;
  const {frame, arrived, other_arrived} = show.late;
  const [run, other] = ["minimax", "true"].map((word) => show.runs[show.cast[word]]);
  tell(note, say("lesson.adam", {step: whole(show.steps[frame]), push: number(run.push[frame]), push_true: number(other.push[frame]),
    success: number(show.success, 1), arrived: whole(show.steps[arrived]), arrived_true: whole(show.steps[other_arrived])}));
}

function foot() {
  const made = show.made, unknown = say("foot.unknown");
  document.getElementById("how").textContent = say("foot.how", {name: made.sweep ?? unknown, steps: whole(show.steps[last])});
  const facts = ["command", "date", "trained", "engine", "commit", "versions"].map((key) => [say(`foot.${key}`),
    (key === "trained" ? made.created : made[key]) ?? unknown, key === "commit" && made.dirty ? ` (${say("foot.dirty")})` : ""]);
  document.querySelector("#foot dl").replaceChildren(...facts.flatMap(([name, value, more]) => [element("dt", {}, name), element("dd", {}, value + more)]));
}

function paint() {
  const now = theme ?? (dark.matches ? "dark" : "light");
  html.dataset.theme = now;
  themeButton.textContent = say(now === "dark" ? "page.light" : "page.dark");
  themeButton.setAttribute("aria-label", `${say("page.theme")}: ${themeButton.textContent}`);
}

slider.max = last;
slider.value = Math.max(0, show.steps.findIndex((step) => step >= FIRST));
slider.addEventListener("input", () => { untouched = false; stop(); draw(); });
play.addEventListener("click", () => playing ? stop() : start());
dark.addEventListener("change", paint);
themeButton.addEventListener("click", () => {
  theme = html.dataset.theme === "dark" ? "light" : "dark";
  remember("theme", theme);
  paint();
});
languageButton.addEventListener("click", () => {
  language = languages[(languages.indexOf(language) + 1) % languages.length];
  remember("language", language);
  speak();
});
speak();
