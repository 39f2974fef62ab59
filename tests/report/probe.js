// Opens `page` in frames of several sizes, with and without scripts, and writes what is wrong into
// the title of this document.
const sizes = [[390, 844], [768, 1024], [1280, 800]];
const faults = [];

function layout(frame, name) {
  const { contentDocument: inside, contentWindow: view } = frame;
  const fault = (text) => faults.push(`${name}: ${text}`);
  if (inside.documentElement.scrollWidth > view.innerWidth) fault("the page scrolls sideways");
  for (const part of inside.body.querySelectorAll("*")) {
    const { left, right, width } = part.getBoundingClientRect();
    // A table may be scrolled within its frame; a picture fits.
    if (part.closest(".scroll:not(.picture)") && !part.matches(".scroll")) continue;
    if (width > 0 && right > view.innerWidth + 1) fault(`${part.tagName}.${part.className} ends at ${right}`);
    if (left < -1 && !part.matches(".skip")) fault(`${part.tagName}.${part.className} begins at ${left}`);
  }
  const tiles = [...inside.querySelectorAll(".tile")];
  if (tiles.length < 4) fault(`${tiles.length} answers`);
  for (const tile of tiles.slice(0, 4)) {
    const { bottom } = tile.getBoundingClientRect();
    if (bottom > view.innerHeight) fault(`an answer ends at ${bottom}`);
  }
  for (const stage of inside.querySelectorAll(".stage")) {
    const tops = new Set([...stage.children].map((cell) => cell.getBoundingClientRect().top));
    if (tops.size > 1) fault(`a stage has ${tops.size} rows`);
  }
  const scroll = inside.querySelector(".scroll:has(table)");
  const first = scroll.querySelector("tbody th");
  scroll.scrollLeft = 10_000;
  const shift = first.getBoundingClientRect().left - scroll.getBoundingClientRect().left;
  if (shift < 0 || shift > 2) fault(`the first column moved by ${shift}`);
  scroll.scrollLeft = 0;
}

function behaviour(frame) {
  const inside = frame.contentDocument;
  const fault = (text) => faults.push(text);
  const table = inside.querySelector("table.sortable");
  const heads = [...table.querySelectorAll("thead th")];
  const values = (title) => {
    const column = heads.findIndex((head) => head.textContent === title);
    return [...table.tBodies[0].rows].map((row) => parseFloat(row.cells[column].textContent.replaceAll(",", "")));
  };
  const is_sorted = (list, sign) => list.every((value, place) => place === 0 || sign * (list[place - 1] - value) >= 0);
  const click = (title) => heads.find((head) => head.textContent === title).firstChild.click();
  if (!is_sorted(values("difference, points"), 1)) fault("the table is not worst first");
  click("block");
  if (!is_sorted(values("block"), -1)) fault("blocks are not in their order");
  click("errors");
  if (!is_sorted(values("errors"), 1)) fault("the most errors are not first");
  click("errors");
  if (!is_sorted(values("errors"), -1)) fault("a second click does not turn the order");

  const lit = () => [...inside.querySelectorAll(".lit")].map((part) => part.tagName.toLowerCase()).sort().join(" ");
  const cell = inside.querySelector("a.cell");
  cell.focus();
  cell.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  if (lit() !== "a rect tr") fault(`the focus shows ${lit()}`);
  inside.body.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  if (lit() !== "") fault(`nothing shows ${lit()}`);
  table.tBodies[0].rows[2].cells[1].dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  if (lit() !== "a rect tr") fault(`the pointer shows ${lit()}`);
  for (const link of inside.querySelectorAll("a.cell")) {
    if (!inside.querySelector(link.getAttribute("href"))) fault(`${link.getAttribute("href")} is nowhere`);
  }
  const commands = inside.querySelectorAll("pre.command").length;
  const copies = inside.querySelectorAll("button.copy").length;
  if (commands === 0 || copies !== commands) fault(`${copies} buttons for ${commands} commands`);
}

(async () => {
  for (const scripts of [true, false]) {
    for (const [width, height] of sizes) {
      const frame = document.createElement("iframe");
      Object.assign(frame.style, { border: 0, width: `${width}px`, height: `${height}px` });
      if (!scripts) frame.sandbox = "allow-same-origin";
      frame.srcdoc = page;
      await new Promise((loaded) => {
        frame.onload = loaded;
        document.body.append(frame);
      });
      layout(frame, `${width} px, ${scripts ? "with" : "without"} scripts`);
      if (scripts) behaviour(frame);
      frame.remove();
    }
  }
  document.title = faults.length === 0 ? "all is well" : faults.join("; ");
})().catch((fault) => {
  document.title = `${fault} at ${fault.stack}`;
});
