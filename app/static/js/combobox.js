// select[data-combobox] becomes searchable (Tom Select), also after swaps.
const within = (root) => [...root.querySelectorAll("select[data-combobox]"), ...(root.matches?.("select[data-combobox]") ? [root] : [])];

// `data-beside` of an option stands small after it: what it is called elsewhere.
const spoken = (data, escape) => escape(data.text) + (data.beside ? ` <small class="text-secondary">${escape(data.beside)}</small>` : "");

/** Make the selects of an element searchable. */
export function enhance(root) {
  for (const select of within(root)) {
    if (select.tomselect) continue;
    const create = select.dataset.combobox === "create";
    const box = new TomSelect(select, {
      plugins: select.multiple ? ["remove_button"] : ["dropdown_input"],
      create,
      createOnBlur: create, // what was typed is not lost by going on
      persist: false,
      refreshThrottle: 0, // Enter takes what was typed, not what stood there before
      maxOptions: 500,
      searchField: ["text", "words", "beside"], // `data-words` of an option: what else people call it
      hidePlaceholder: true,
      onItemAdd() {
        // What was typed to find a value is not the beginning of the next one.
        if (select.multiple) this.setTextboxValue("");
      },
      render: {
        option: (data, escape) => `<div>${spoken(data, escape)}</div>`,
        item: (data, escape) => `<div>${spoken(data, escape)}</div>`,
        no_results: (data, escape) => `<div class="no-results">Nothing matches “${escape(data.input)}”.</div>`,
      },
    });
    box.control.dataset.placeholder = select.querySelector("option[value='']")?.text ?? "";
    // Read out is the control that Tom Select labels, not the select under it, and what is typed into has that name too.
    select.ariaHidden = "true";
    box.control_input.setAttribute("aria-labelledby", `${select.id}-ts-label`);
  }
}

/** Make the selects of an element plain ones again. */
export function plain(root) {
  for (const select of within(root)) select.tomselect?.destroy();
}

enhance(document.body); // htmx may have been here before this module
htmx.onLoad((element) => enhance(element));
// Tom Select's own elements must not survive their select.
document.addEventListener("htmx:before:cleanup", (event) => event.target.tomselect?.destroy());
// What is put in an element's place takes over its attributes, and the policy refuses a style among them: an empty one is
// left where a script set a style and took it back.
document.addEventListener("htmx:before:swap", () => {
  for (const element of document.querySelectorAll('[style=""]')) element.removeAttribute("style");
});
