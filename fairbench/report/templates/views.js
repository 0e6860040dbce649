// A view of the leaderboard: what it is sorted by, which rows and columns it shows. The view lives in the fragment of the
// page's address, so that a copied address shows the same.

const TERM = /^([a-z0-9._]+)(>=|<=|>|<)([0-9.]+)$/;
const HOLDS = { ">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b };

class View {
  constructor(tools) {
    this.tools = tools;
    this.table = document.getElementById(tools.dataset.table);
    this.heads = new Map();
    for (const head of this.table.querySelectorAll("th[data-column]")) this.heads.set(head.dataset.column, head);
    this.places = new Map([...this.heads].map(([name, head]) => [name, columnOf(head)]));
    this.find = tools.querySelector("[name=find]");
    this.show = tools.querySelector("[name=show]");
    this.boxes = [...tools.querySelectorAll("[name=column]")];
    this.count = tools.querySelector("[role=status]");
    this.find.addEventListener("input", () => this.changed());
    this.show.addEventListener("change", () => this.changed());
    for (const box of this.boxes) box.addEventListener("change", () => this.changed());
    this.table.addEventListener("viewchange", () => writeViews());
    tools.hidden = false;
  }

  changed() {
    this.apply();
    writeViews();
  }

  apply() {
    this.showRows();
    for (const box of this.boxes) this.showColumns(box.value, box.checked);
  }

  showRows() {
    const words = this.find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const rows = dataRows(this.table);
    for (const row of rows) row.hidden = !(this.isOfKind(row) && words.every((word) => this.matches(row, word)));
    const shown = rows.filter((row) => !row.hidden).length;
    this.count.textContent = shown < rows.length ? `${shown} of ${rows.length} rows` : "";
    for (const body of this.table.tBodies) {
      for (const divider of body.querySelectorAll(".divider")) divider.hidden = !dataRows({ tBodies: [body] }).some((row) => !row.hidden);
    }
  }

  isOfKind(row) {
    if (this.show.value === "ranked") return !row.closest("tbody").classList.contains("unranked");
    return this.show.value === "all" || row.classList.contains(this.show.value);
  }

  matches(row, word) {
    const [, column, sign, number] = word.match(TERM) || [];
    if (!this.places.has(column)) return row.querySelector("th").textContent.toLowerCase().includes(word);
    const value = parseFloat(row.cells[this.places.get(column)].dataset.value);
    return HOLDS[sign](100 * value, parseFloat(number));
  }

  showColumns(group, isShown) {
    if (group === "interval") {
      this.table.classList.toggle("plain", !isShown);
      return;
    }
    for (const head of this.table.querySelectorAll(`[data-group="${CSS.escape(group)}"]`)) head.hidden = !isShown;
    const places = [...this.heads].filter(([, head]) => head.dataset.group === group).map(([name]) => this.places.get(name));
    for (const row of dataRows(this.table)) for (const place of places) row.cells[place].hidden = !isShown;
  }

  written() {
    const sorted = this.table.querySelector("[aria-sort]");
    const hidden = this.boxes.filter((box) => !box.checked).map((box) => box.value);
    return {
      sort: sorted ? `${sorted.dataset.column}.${sorted.getAttribute("aria-sort")}` : "",
      find: this.find.value.trim(),
      show: this.show.value === "all" ? "" : this.show.value,
      hide: hidden.join(","),
    };
  }

  read(values) {
    const hidden = new Set((values.hide || "").split(","));
    for (const box of this.boxes) box.checked = !hidden.has(box.value);
    this.find.value = values.find || "";
    const kinds = [...this.show.options].map((option) => option.value);
    this.show.value = kinds.includes(values.show) ? values.show : "all";
    const [, column, direction] = (values.sort || "").match(/^(.+)\.(ascending|descending)$/) || [];
    if (this.heads.has(column)) sortTable(this.table, this.heads.get(column), direction);
    this.apply();
  }
}

const views = new Map([...document.querySelectorAll(".tools")].map((tools) => [tools.dataset.table, new View(tools)]));

function writeViews() {
  const parameters = new URLSearchParams();
  for (const [name, view] of views) {
    for (const [key, value] of Object.entries(view.written())) if (value) parameters.set(`${name}.${key}`, value);
  }
  const fragment = `#${parameters}`;
  if (fragment !== (location.hash || "#")) location.replace(fragment);
}

function readViews() {
  // A fragment without "=" is an anchor on the page.
  if (!location.hash.includes("=")) return;
  const parameters = new URLSearchParams(location.hash.slice(1));
  for (const [name, view] of views) {
    const keys = ["sort", "find", "show", "hide"];
    view.read(Object.fromEntries(keys.map((key) => [key, parameters.get(`${name}.${key}`)])));
  }
}

window.addEventListener("hashchange", readViews);
readViews();
