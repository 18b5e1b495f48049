// form[data-upload]: a file on its way shows how much of it has gone. Without this the browser sends the form by itself.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-upload]") || !form.querySelector("[type=file]").files.length) return;
  event.preventDefault();
  const bar = document.createElement("progress");
  const words = document.createElement("p");
  words.setAttribute("role", "status");
  bar.setAttribute("aria-label", "Uploading");
  form.append(bar, words);
  const buttons = form.querySelectorAll("[type=submit]");
  for (const button of buttons) button.disabled = true;
  const giveUp = (reason) => {
    bar.remove();
    words.textContent = reason;
    for (const button of buttons) button.disabled = false;
  };
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    bar.max = total;
    bar.value = loaded;
    const mega = (bytes) => (bytes / 1048576).toFixed(1);
    words.textContent = loaded < total ? `${mega(loaded)} of ${mega(total)} MB sent` : "Reading the file …";
  });
  request.addEventListener("load", () => {
    if (request.status < 400) {
      location.assign(request.responseURL);
      return;
    }
    const answer = new DOMParser().parseFromString(request.responseText, "text/html");
    const again = answer.querySelector("form[data-upload]");
    if (request.status !== 422 || !again) {
      giveUp(request.status === 413 ? "The file is too large." : answer.querySelector("h1")?.textContent || "The file could not be sent. Try again.");
      return;
    }
    form.replaceWith(again);
    htmx.process(again);
    again.querySelector("[data-error-summary]")?.focus();
  });
  request.addEventListener("error", () => giveUp("The connection broke. Try again."));
  request.open("POST", form.action);
  request.send(new FormData(form));
});
