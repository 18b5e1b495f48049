// A merge tag that is chosen ([data-insert]) goes in where the cursor last stood in a field of its form ([data-merge]).

/** Put in what is chosen in a form; before the cursor stood anywhere it goes into the field that `first` returns. */
export function picker(form, first) {
  let last = null;

  form.addEventListener("focusin", ({ target }) => {
    if (target.matches("[data-merge]")) last = target;
  });

  form.addEventListener("click", ({ target }) => {
    const insert = target.closest("[data-insert]");
    if (!insert) return;
    // The field may have been taken out of the form since.
    const field = last?.isConnected ? last : first();
    field.focus();
    field.setRangeText(insert.dataset.insert, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
