"use strict";
(() => {
  const table = document.getElementById("variants");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const controls = document.querySelector(".controls");
  const find = document.getElementById("find");
  const marked = document.getElementById("marked");
  const selects = Array.from(controls.querySelectorAll("select"));
  const count = document.getElementById("count");
  const texts = rows.map(row => row.textContent.toLowerCase().replace(/\s+/g, " "));
  const cellText = (row, column) => row.cells[column].textContent.trim();

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = selects.filter(select => select.selectedIndex > 0);
    let shown = 0;
    rows.forEach((row, index) => {
      const kept = words.every(word => texts[index].includes(word))
        && chosen.every(select => cellText(row, select.dataset.column) === select.value)
        && (!marked.checked || row.querySelector(".best, .pareto") !== null);
      row.hidden = !kept;
      shown += kept;
    });
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  };

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cellText(row, column) : Number(cell.dataset.value);
  };
  const order = new Intl.Collator(undefined, { numeric: true });
  const sort = (header, column) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    table.tHead.querySelectorAll("th").forEach(each => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row, index) => [value(row, column), index, row]);
    keyed.sort(([a, i], [b, j]) => {
      // What has no value stands last, whichever way it goes.
      if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
      const by = typeof a === "number" && typeof b === "number" ? a - b : order.compare(a, b);
      return (down ? -by : by) || i - j;
    });
    body.append(...keyed.map(([, , row]) => row));
    table.classList.add("sorted");
  };
  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(header, column));
  });

  find.addEventListener("input", filter);
  marked.addEventListener("change", filter);
  selects.forEach(select => select.addEventListener("change", filter));
  document.getElementById("reset").addEventListener("click", () => {
    find.value = "";
    marked.checked = false;
    selects.forEach(select => { select.selectedIndex = 0; });
    filter();
  });
  controls.hidden = false;
  filter();

  // Paper cannot be unfolded; what only repeats something stays away from it.
  const folded = Array.from(document.querySelectorAll("details:not(.again)"));
  let open = [];
  addEventListener("beforeprint", () => {
    open = folded.map(each => each.open);
    folded.forEach(each => { each.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((each, index) => { each.open = open[index]; }));
})();
