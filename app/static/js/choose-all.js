// [data-choose-all="name"]: ticks every box of that name, or none of them if all are ticked.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-choose-all]");
  if (!button) return;
  const boxes = [...document.getElementsByName(button.dataset.chooseAll)].filter((box) => box.type === "checkbox");
  const tick = boxes.some((box) => !box.checked);
  for (const box of boxes) box.checked = tick;
});
