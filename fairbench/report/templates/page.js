"use strict";
// Sorting by a header and searching for a method; without this script the page reads in the order of the ranks.

function sortKey(row, column) {
  const cell = row.cells[column];
  if (!cell || cell.colSpan > 1) return null;
  if (cell.tagName === "TH") return cell.textContent;
  const value = cell.classList.contains("missing") ? NaN : parseFloat(cell.dataset.value || cell.textContent);
  return Number.isNaN(value) ? null : value;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "string" ? sign * a.localeCompare(b) : sign * (a - b);
}

function sortBy(table, header, column) {
  const other = { ascending: "descending", descending: "ascending" };
  const current = header.getAttribute("aria-sort");
  const direction = current ? other[current] : header.dataset.sort;
  table.querySelectorAll("[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("divider"));
    rows.sort((a, b) => compare(sortKey(a, column), sortKey(b, column), sign));
    body.append(...rows);
  }
}

function columnOf(header) {
  // A header's column counts the spans before it, in its own row and in the first one.
  const table = header.closest("table");
  const [first, second] = table.tHead.rows;
  const inFirst = [...first.cells];
  const upTo = header.parentNode === first ? inFirst.indexOf(header) : inFirst.findIndex((cell) => cell.colSpan > 1);
  const before = inFirst.slice(0, upTo).reduce((sum, cell) => sum + cell.colSpan, 0);
  return header.parentNode === first ? before : before + [...second.cells].indexOf(header);
}

for (const header of document.querySelectorAll(".sortable th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  const column = columnOf(header);
  button.addEventListener("click", () => sortBy(header.closest("table"), header, column));
}

for (const input of document.querySelectorAll(".search input")) {
  input.closest(".search").hidden = false;
  const rows = document.querySelectorAll(`#${input.dataset.table} tbody tr:not(.divider)`);
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = !row.querySelector("th").textContent.toLowerCase().includes(wanted);
    }
  });
}

window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not(.run, .run *)").forEach((one) => { one.open = true; });
});
