// select[data-combobox] becomes searchable (Tom Select), also after swaps.
function enhance(root) {
  const found = [...root.querySelectorAll("select[data-combobox]")];
  if (root.matches?.("select[data-combobox]")) found.push(root);
  for (const select of found) {
    if (select.tomselect) continue;
    const box = new TomSelect(select, {
      plugins: select.multiple ? ["remove_button"] : ["dropdown_input"],
      create: select.dataset.combobox === "create",
      maxOptions: 500,
      hidePlaceholder: true,
      render: {
        no_results: (data, escape) => `<div class="no-results">Nothing matches “${escape(data.input)}”.</div>`,
      },
    });
    // Read out is the control that Tom Select labels, not the select under it, and what is typed into has that name too.
    select.ariaHidden = "true";
    box.control_input.setAttribute("aria-labelledby", `${select.id}-ts-label`);
  }
}

enhance(document.body); // htmx may have been here before this module
htmx.onLoad((element) => enhance(element));
// Tom Select's own elements must not survive their select.
document.addEventListener("htmx:before:cleanup", (event) => event.target.tomselect?.destroy());
