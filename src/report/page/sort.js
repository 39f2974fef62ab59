// Makes the tables sortable; without this script they are read as they are.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    const isText = head.classList.contains("text");
    const key = (row) => {
      const cell = row.cells[column];
      const text = cell.textContent.trim();
      if ("value" in cell.dataset) return Number(cell.dataset.value);
      return isText || text === "" ? text : parseFloat(text.replaceAll(",", ""));
    };
    // Worst first: the largest effect, the smallest p-value.
    const isDescending = column > 0 && !isText && !("leastFirst" in head.dataset);
    const first = isDescending ? "descending" : "ascending";
    button.addEventListener("click", () => {
      const other = { ascending: "descending", descending: "ascending" };
      const order = other[head.getAttribute("aria-sort")] ?? first;
      for (const sorted of table.querySelectorAll("th[aria-sort]")) sorted.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      // Empty cells stay at the end, whatever the direction.
      const compare = (a, b) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        const less = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return order === "ascending" ? less : -less;
      };
      body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
    });
  });
}
