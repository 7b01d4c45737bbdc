for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if ([...body.rows].every((row) => row.cells[column].matches(".number"))) head.classList.add("number");
    head.tabIndex = 0;
    const sort = () => {
      const up = head.ariaSort !== "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.ariaSort = up ? "ascending" : "descending";
      const text = (row) => row.cells[column].textContent;
      const order = (a, b) => text(a).localeCompare(text(b), "en", { numeric: true });
      const size = (row) => parseFloat(text(row).replaceAll(",", ""));
      const byNumber = (a, b) => (isNaN(size(a)) - isNaN(size(b))) || size(a) - size(b);
      const rows = [...body.rows].sort(head.classList.contains("number") ? byNumber : order);
      body.append(...(up ? rows : rows.reverse()));
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "copied";
  });
}
for (const input of document.querySelectorAll(".filter input")) {
  const galaxies = input.parentElement.nextElementSibling.children;
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const galaxy of galaxies) galaxy.hidden = !galaxy.textContent.toLowerCase().includes(wanted);
  });
}
