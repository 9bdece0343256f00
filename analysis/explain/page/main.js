// The player, language and colours; everything that is shown follows one frame.

const html = document.documentElement;
const slider = document.getElementById("slider"), play = document.getElementById("play");
const languageButton = document.getElementById("language"), themeButton = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Milliseconds that a frame stands while it plays. */
const PACE = 160;
let playing = null;
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
  if (Number(slider.value) === last) slider.value = 0;
  play.textContent = say("page.pause");
  draw();
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    draw();
    if (Number(slider.value) === last) stop();
  }, PACE);
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

/** What is said of minimax, where it does start late and arrive. */
function late() {
  const note = document.getElementById("adam"), run = show.runs[show.cast.minimax];
  note.hidden = !(run.ks.at(-1) <= show.success && run.push[1] < run.push[run.frames - 1]);
  tell(note, say("lesson.adam"));
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
slider.addEventListener("input", () => { stop(); draw(); });
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
