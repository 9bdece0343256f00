// Texts and numbers in the chosen language. The choice is remembered where the browser lets a file remember.

const languages = Object.keys(show.texts);
let language = remembered("language", languages) ?? spoken();

function spoken() {
  const wanted = (navigator.language || "").split("-")[0];
  return languages.find((code) => code.split("-")[0] === wanted) ?? languages[0];
}

function remembered(name, allowed) {
  try {
    const found = localStorage.getItem(`why_true.${name}`);
    return allowed.includes(found) ? found : null;
  } catch { return null; }
}

function remember(name, value) {
  try { localStorage.setItem(`why_true.${name}`, value); } catch { /* storage is not available: not remembered */ }
}

/** A text by "section.key", numbers and names put in place of their names in braces. */
function say(key, parts = {}) {
  const [section, name] = key.split(".");
  return show.texts[language][section][name].replace(/\{(\w+)\}/g, (_, part) => String(parts[part]));
}

/** Put a text into an element; what stands between asterisks is emphasised. */
function tell(element, text) {
  element.replaceChildren(...text.split("*").map((part, i) => {
    if (i % 2 === 0) return document.createTextNode(part);
    const strong = document.createElement("strong");
    strong.textContent = part;
    return strong;
  }));
}

/** A number with so many digits; one that is not there is a dash, and a tiny one is written as a power of ten. */
function number(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 0.001 || size >= 1e5) return value.toExponential(1).replace("e", "×10^").replace("+", "").replaceAll("-", "−")
    .replace(/\^(−?)(\d+)/, (_, sign, power) => (sign ? "⁻" : "") + [...power].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join(""));
  const places = size < 0.1 ? digits + 1 : size >= 100 ? 0 : digits;
  return value.toLocaleString(language, {minimumFractionDigits: places, maximumFractionDigits: places}).replace("-", "−");
}

const whole = (value) => value.toLocaleString(language);
const percent = (value) => value.toLocaleString(language, {style: "percent"});
const rate = (value) => value.toLocaleString(language, {maximumSignificantDigits: 6});

/** A run's name: its word in the cast, else its label, else the variant's own name. */
function nameOf(run) {
  const loss = show.losses[run.loss];
  const word = castWords.find((one) => show.runs[show.cast[one]].loss === run.loss);
  if (word) return say(`cast.${word}`);
  return loss.label === null ? loss.name : say("box.label_name", {t: loss.label});
}
