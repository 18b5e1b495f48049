// [data-calendar]: an entry with data-move is dragged to another day; its own form then says which, as by keyboard. One
// with data-stays says why it can't be.
import { toast } from "./toast.js";

const calendar = document.querySelector("[data-calendar]");
let carried = null;

calendar?.addEventListener("dragstart", (event) => {
  const stays = event.target.closest?.("[data-stays]");
  if (stays) {
    event.preventDefault();
    toast({ message: stays.dataset.stays });
    return;
  }
  const entry = event.target.closest?.("[data-move]");
  if (!entry) return;
  carried = document.getElementById(entry.dataset.move);
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", entry.dataset.move);
  calendar.classList.add("month-carries");
});

calendar?.addEventListener("dragover", (event) => {
  const day = carried && event.target.closest?.("[data-day]");
  if (!day) return;
  event.preventDefault();
  for (const other of calendar.querySelectorAll(".month-over")) if (other !== day) other.classList.remove("month-over");
  day.classList.add("month-over");
});

calendar?.addEventListener("drop", (event) => {
  const day = carried && event.target.closest?.("[data-day]");
  if (!day) return;
  event.preventDefault();
  const form = carried;
  const input = form.elements.namedItem("date");
  if (input.value === day.dataset.day) return;
  input.value = day.dataset.day;
  form.requestSubmit();
});

calendar?.addEventListener("dragend", () => {
  carried = null;
  calendar.classList.remove("month-carries");
  for (const day of calendar.querySelectorAll(".month-over")) day.classList.remove("month-over");
});
