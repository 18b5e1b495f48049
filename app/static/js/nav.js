// The navigation of small screens: slides in, closes on Escape, on the shade and on leaving.
const navigation = document.getElementById("navigation");
const shade = document.querySelector("[data-nav-close]");
const toggles = () => document.querySelectorAll("[data-nav-toggle]");

function show(open) {
  document.body.classList.toggle("nav-open", open);
  shade.hidden = !open;
  for (const toggle of toggles()) toggle.setAttribute("aria-expanded", String(open));
  if (open) (navigation.querySelector("[aria-current]") ?? navigation.querySelector("a")).focus();
}

if (navigation && shade) {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-nav-toggle]")) show(!document.body.classList.contains("nav-open"));
    else if (event.target === shade) show(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("nav-open")) return;
    show(false);
    [...toggles()].find((toggle) => toggle.offsetParent)?.focus();
  });
}
