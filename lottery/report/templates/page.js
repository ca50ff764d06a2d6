"use strict";
// Light and dark, tables that sort, and what printing needs.

const PRINT_WIDTH = 1250; // pixels of a table on the screen that fits paper, where its font is smaller
const system = matchMedia("(prefers-color-scheme: dark)");
let theme = null; // "light" or "dark" once the reader has chosen; else the system's
let printing = false;
const isDark = () => !printing && (theme ? theme === "dark" : system.matches);
const drawers = []; // called when colours or widths have changed

function drawAgain() {
  for (const draw of drawers) draw();
}

function showTheme() {
  const button = document.querySelector("#theme");
  button.hidden = false;
  button.textContent = isDark() ? "Light" : "Dark";
  document.documentElement.style.colorScheme = theme ?? "";
}

document.querySelector("#theme").addEventListener("click", () => {
  theme = isDark() ? "light" : "dark";
  showTheme();
  drawAgain();
});
system.addEventListener("change", () => {
  showTheme();
  drawAgain();
});
window.addEventListener("beforeprint", () => {
  printing = true;
  drawAgain();
});
window.addEventListener("afterprint", () => {
  printing = false;
  drawAgain();
});
showTheme();

const NUMBER = /^[+-]?(\d[\d,]*)?\.?\d+(e[+-]?\d+)?/;

// What a cell is sorted by: its first number, else its text; null for an empty one.
function keyOf(text) {
  const number = text.match(NUMBER);
  return text === "-" || text === "" ? null : number ? Number(number[0].replaceAll(",", "")) : text;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

// Sort rows by a column, empty cells last whatever the direction.
function sorted(rows, column, sign) {
  const keyed = rows.map((row) => [keyOf(row.cells[column].textContent.trim()), row]);
  keyed.sort(([one], [other]) =>
    (one === null) - (other === null) || (one === null ? 0 : sign * compare(one, other)));
  return keyed.map(([, row]) => row);
}

const NEXT = { null: "ascending", ascending: "descending", descending: null };

function makeSortable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  if (rows.length < 2) return;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    head.dataset.name = head.textContent; // on paper, where no browser repeats buttons
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = NEXT[head.getAttribute("aria-sort")];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order) head.setAttribute("aria-sort", order);
      body.append(...(order ? sorted(rows, column, order === "ascending" ? 1 : -1) : rows));
    });
  });
}

for (const table of document.querySelectorAll("table")) {
  makeSortable(table);
  // a table that is wider than paper is printed smaller
  table.classList.toggle("fit", table.scrollWidth > PRINT_WIDTH);
  table.style.setProperty("--fit", PRINT_WIDTH / table.scrollWidth);
}
