// Short messages: flashed by the page, sent by an answer (HX-Trigger: {"toast": {...}}), or said about a refused request.
const region = document.getElementById("toasts");
const template = document.getElementById("toast-template");
const TONES = ["success", "info", "warning", "danger"];

const WORDS = {
  0: "The server can’t be reached. Check your connection; nothing was changed.",
  400: "That didn’t work. Reload the page and try once more.",
  401: "You have been signed out. Reload the page to sign in.",
  403: "Your role doesn’t allow that.",
  404: "That is no longer there. Reload the page.",
  409: "Somebody changed this in the meantime. Reload the page and try once more.",
  413: "That is too large. Send it in smaller parts.",
  429: "Too many tries in a short time. Wait a minute, then try again.",
};
const OUR_FAULT = "Something went wrong on our side. Try again in a moment.";

/** Show a message. `undo_url` adds a button: a plain form that POSTs there. */
export function toast({ message, tone = "info", undo_url: undoUrl = null }) {
  const same = [...region.querySelectorAll("[data-toast]")].find((note) => note.querySelector("p").textContent === message);
  if (same && !undoUrl) return;
  same?.remove(); // it offers to undo another act
  const note = template.content.firstElementChild.cloneNode(true);
  note.classList.add(`tone-${TONES.includes(tone) ? tone : "info"}`);
  note.querySelector("p").textContent = message;
  const undo = note.querySelector("[data-toast-undo]");
  if (undoUrl) {
    undo.hidden = false;
    undo.action = undoUrl;
  }
  region.append(note);
  leaveLater(note);
}

// What went wrong stays until it is dismissed; what can be undone stays longer; reading or reaching for it holds it.
function leaveLater(note) {
  if (note.matches(".tone-danger, .tone-warning")) return;
  const wait = note.querySelector("[data-toast-undo]:not([hidden])") ? 12000 : 6000;
  let timer = setTimeout(() => note.remove(), wait);
  const hold = () => clearTimeout(timer);
  const release = () => {
    hold();
    timer = setTimeout(() => note.remove(), wait);
  };
  note.addEventListener("pointerenter", hold);
  note.addEventListener("focusin", hold);
  note.addEventListener("pointerleave", release);
  note.addEventListener("focusout", release);
}

function reasonOf(ctx) {
  const problem = ctx.response.headers.get("Content-Type")?.startsWith("application/problem+json");
  if (problem) {
    try {
      return JSON.parse(ctx.text).detail;
    } catch {
      return null; // not what it said it is: the status will do
    }
  }
  return null;
}

document.addEventListener("click", (event) => event.target.closest("[data-toast-close]")?.closest("[data-toast]").remove());
document.addEventListener("toast", (event) => toast(event.detail));
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const status = ctx.response.status;
  if (status >= 500 && ctx.sourceElement.hasAttribute("data-poll")) return; // it asks again by itself
  if (status === 422 || ctx.hx?.redirect || ctx.hx?.trigger?.includes('"toast"')) return; // it speaks for itself
  const tone = status === 409 || status === 429 ? "warning" : "danger";
  toast({ message: reasonOf(ctx) ?? WORDS[status] ?? OUR_FAULT, tone });
});
document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx && !ctx.response && !ctx.sourceElement.hasAttribute("data-poll")) toast({ message: WORDS[0], tone: "danger" });
});
for (const note of region.querySelectorAll("[data-toast]")) leaveLater(note);
