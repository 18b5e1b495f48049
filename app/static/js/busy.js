// A form whose answer takes a while shows that it is being worked on, and is not sent twice.
for (const form of document.querySelectorAll("form[data-busy]")) {
  const button = form.querySelector("[type=submit]");
  const busy = (on) => {
    button.classList.toggle("btn-loading", on);
    button.setAttribute("aria-busy", String(on));
  };
  form.addEventListener("submit", (event) => (button.ariaBusy === "true" ? event.preventDefault() : busy(true)));
  // Who comes back by the browser's button finds the page as it was left.
  addEventListener("pageshow", () => busy(false));
}
