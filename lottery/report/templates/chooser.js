"use strict";
// Which settings the figures show, with one legend for all of them.

const chooser = document.querySelector("#chooser");
const choice = chooser && JSON.parse(document.querySelector("#choice").textContent);
const off = new Set(); // labels that the reader has switched off
let chosen = choice ? choice.settings.slice(0, choice.looks.length) : [];

// Whether a line or panel of some settings is shown; one of no setting always is.
function isChosen(settings) {
  return !choice || !settings.length || settings.some((label) => chosen.includes(label));
}

// The look of a line of some settings by its place among the chosen ones; null: its own.
function lookOf(settings) {
  const place = choice ? chosen.findIndex((label) => settings.includes(label)) : -1;
  return place < 0 ? null : choice.looks[place];
}

// Choices of at most as many settings as have a look, by question.
function listChoices() {
  const most = choice.looks.length;
  const cut = (title, labels) => {
    const parts = [];
    for (let first = 0; first < labels.length; first += most) {
      const part = labels.slice(first, first + most);
      const where = `${first + 1} to ${first + part.length} of ${labels.length}`;
      parts.push({ title: labels.length > most ? `${title}: ${where}` : title, labels: part });
    }
    return parts;
  };
  const all = { name: "in order", choices: cut("all settings", choice.settings) };
  const questions = choice.questions.map(({ name, groups }) => ({
    name: `by ${name}`,
    choices: groups.flatMap(({ title, labels }) => cut(`${name}: ${title}`, labels)),
  }));
  return [all, ...questions];
}

function fillChooser(whenChosen) {
  const select = chooser.querySelector("select");
  const choices = [];
  for (const question of listChoices()) {
    const group = document.createElement("optgroup");
    group.label = question.name;
    for (const { title, labels } of question.choices) {
      group.append(new Option(title, choices.length));
      choices.push(labels);
    }
    select.append(group);
  }
  select.addEventListener("change", () => {
    chosen = choices[select.value];
    off.clear();
    whenChosen();
  });
  chooser.querySelector("label").hidden = choices.length < 2;
  chooser.hidden = false;
}

const SHAPES = {
  circle: '<circle cx="16" cy="6" r="3.5"/>',
  square: '<rect x="12.5" y="2.5" width="7" height="7"/>',
  "triangle-up": '<path d="M16 1.5l4.5 8h-9z"/>',
  "triangle-down": '<path d="M16 10.5l4.5-8h-9z"/>',
  diamond: '<path d="M16 1l5 5-5 5-5-5z"/>',
  x: '<path d="M12.5 2.5l7 7m0-7l-7 7" stroke-width="2.5"/>',
  star: '<path d="M16 0l1.7 4h4l-3.3 2.6 1.3 4.4-3.7-2.7-3.7 2.7 1.3-4.4L10.300 4h4z"/>',
};
const DASHES = { dash: "6 3", dot: "2 2", dashdot: "6 2 2 2" };

// A list of buttons that switch lines off and on; an entry is {label, look, isOff, toggle}.
function fillLegend(list, entries) {
  list.replaceChildren(...entries.map(({ label, look, isOff, toggle }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(!isOff));
    const dash = DASHES[look.dash] ?? "";
    const line = `<path d="M0 6h32" stroke-dasharray="${dash}" stroke-width="2"/>`;
    const drawn = `${look.joined ? line : ""}${SHAPES[look.marker] ?? ""}`;
    button.innerHTML = `<svg width="32" height="12" fill="${look.color}" stroke="${look.color}" aria-hidden="true">${drawn}</svg>`;
    button.append(label);
    button.addEventListener("click", toggle);
    item.append(button);
    return item;
  }));
}
