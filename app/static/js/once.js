// A form that is on its way is not sent again: whoever presses its button twice asks once. What htmx sends looks after
// itself, and where the page stays, as after a download, form[data-again] may be sent again.
const AGAIN = 10_000; // who presses after so long, the page being still there, means it
let sent = new WeakSet();

// At the window, after all others: whoever holds a form back, to ask or to send it otherwise, has done so by now.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[method=post]:not([data-again])")) return;
  if (sent.has(form)) return event.preventDefault();
  sent.add(form);
  setTimeout(() => sent.delete(form), AGAIN);
});
// Who comes back by the browser's button finds the page as it was left.
addEventListener("pageshow", () => (sent = new WeakSet()));
