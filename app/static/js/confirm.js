// One dialog asks before a form with data-confirm, or an htmx request with hx-confirm, goes out.
const dialog = document.getElementById("confirm");
const parts = {
  title: document.getElementById("confirm-title"),
  text: document.getElementById("confirm-text"),
  ok: dialog.querySelector("[data-ask-ok]"),
  cancel: dialog.querySelector("[data-ask-cancel]"),
};

/** Resolve to true when the reader agrees. */
export function ask({ title, text = "", label = "Continue", dismiss = "Cancel", tone = "primary" }) {
  parts.title.textContent = title;
  parts.text.textContent = text;
  parts.text.hidden = !text;
  parts.ok.textContent = label;
  parts.cancel.textContent = dismiss;
  parts.ok.className = `btn ${tone === "danger" ? "btn-danger" : "btn-primary"}`;
  dialog.returnValue = "cancel";
  dialog.showModal();
  parts.cancel.focus(); // Enter by habit must not destroy
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

function question(element, title) {
  const { confirmText, confirmLabel, confirmDismiss, confirmTone } = element.dataset;
  return { title, text: confirmText, label: confirmLabel, dismiss: confirmDismiss, tone: confirmTone };
}

const agreed = new WeakSet();

// In the capture phase, so that neither htmx nor another listener sees the form before the reader agreed.
document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!form.dataset.confirm || agreed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    if (!(await ask(question(form, form.dataset.confirm)))) return;
    agreed.add(form);
    form.requestSubmit(submitter);
  },
  true,
);

document.addEventListener("htmx:confirm", async (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  event.preventDefault();
  if (await ask(question(ctx.sourceElement, ctx.confirm))) issueRequest();
  else dropRequest();
});

dialog.addEventListener("click", (event) => {
  // The second click of a double click was meant for the button that asked: it answers nothing.
  if (event.detail > 1) event.preventDefault();
  else if (event.target === dialog) dialog.close("cancel");
});
