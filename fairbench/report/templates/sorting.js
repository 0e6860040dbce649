"use strict";
// Sorting by a header. Without this script a table reads in the order of the ranks.

function sortKey(row, column) {
  const cell = row.cells[column];
  if (!cell || cell.colSpan > 1) return null;
  if (cell.tagName === "TH" || cell.classList.contains("words")) return cell.textContent;
  const value = cell.classList.contains("missing") ? NaN : parseFloat(cell.dataset.value || cell.textContent);
  return Number.isNaN(value) ? null : value;
}

function compareKeys(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "string" ? sign * a.localeCompare(b) : sign * (a - b);
}

function columnOf(header) {
  // A header's column counts the spans before it, in its own row and in the first one.
  const [first, second] = header.closest("table").tHead.rows;
  const inFirst = [...first.cells];
  const upTo = header.parentNode === first ? inFirst.indexOf(header) : inFirst.findIndex((cell) => cell.colSpan > 1);
  const before = inFirst.slice(0, upTo).reduce((sum, cell) => sum + cell.colSpan, 0);
  return header.parentNode === first ? before : before + [...second.cells].indexOf(header);
}

function dataRows(table) {
  return [...table.tBodies].flatMap((body) => [...body.rows].filter((row) => !row.classList.contains("divider")));
}

function sortTable(table, header, direction) {
  table.querySelectorAll("[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const column = columnOf(header);
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("divider"));
    rows.sort((a, b) => compareKeys(sortKey(a, column), sortKey(b, column), sign));
    body.append(...rows);
  }
}

function clickedDirection(header) {
  const other = { ascending: "descending", descending: "ascending" };
  return other[header.getAttribute("aria-sort")] || header.dataset.sort;
}

for (const header of document.querySelectorAll(".sortable th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  button.addEventListener("click", () => {
    const table = header.closest("table");
    sortTable(table, header, clickedDirection(header));
    table.dispatchEvent(new CustomEvent("viewchange"));
  });
}
