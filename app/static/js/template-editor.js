// form[data-template-editor]: merge tags go in where the cursor last stood, and the preview takes the width of a device.
import { picker } from "./merge-tags.js";

const form = document.querySelector("form[data-template-editor]");
const fields = [...form.querySelectorAll("[data-merge]")];
// A plain text that is written is no longer made from the drawn letter: nothing goes there by itself.
const usual = form.querySelector("[data-visual-editor]") ? ["subject"] : ["html", "mjml"];
let width = "";
let dark = false;

picker(form, () => fields.find((field) => usual.includes(field.name)) ?? fields.at(-1));

form.addEventListener("click", ({ target }) => {
  const device = target.closest("[data-preview-width]");
  if (device) {
    width = device.dataset.previewWidth;
    narrow();
  }
  const moon = target.closest("[data-preview-dark]");
  if (moon) {
    dark = !dark;
    moon.setAttribute("aria-pressed", String(dark));
    narrow();
  }
});

function narrow() {
  const frame = form.querySelector("[data-preview-frame]");
  if (!frame) return;
  frame.style.maxWidth = width;
  // Mail programs turn the colours of letters that say nothing of the dark themselves.
  frame.classList.toggle("preview-dark", dark);
  picturesAsTheyAre(frame, dark && !("ownDark" in frame.dataset));
  frame.style.marginInline = width ? "auto" : "";
  for (const device of form.querySelectorAll("[data-preview-width]"))
    device.setAttribute("aria-pressed", String(device.dataset.previewWidth === width));
}

// Mail programs leave pictures alone: where the whole frame is turned, they are turned back.
const TURNED_BACK = "<style>img, video, svg { filter: invert(1) hue-rotate(180deg); }</style>";
function picturesAsTheyAre(frame, turned) {
  const letter = frame.querySelector("iframe");
  const words = letter.srcdoc.replace(TURNED_BACK, "") + (turned ? TURNED_BACK : "");
  if (words !== letter.srcdoc) letter.srcdoc = words;
}

new MutationObserver(narrow).observe(form.querySelector("#preview"), { childList: true });
narrow();
