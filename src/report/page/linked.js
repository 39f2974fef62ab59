// Shows the block under the pointer or the keyboard focus everywhere: map, pictures and tables.
{
  let lit = "";
  const show = (event) => {
    const block = event.target.closest?.("[data-block]")?.dataset.block ?? "";
    if (block === lit) return;
    for (const part of document.querySelectorAll(".lit")) part.classList.remove("lit");
    lit = block;
    if (!block) return;
    for (const part of document.querySelectorAll(`[data-block="${block}"]`)) part.classList.add("lit");
  };
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
}
