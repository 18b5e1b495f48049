// The canvas as a PNG: the server's SVG, painted by the browser at twice its size.
import { whenSaved } from "./canvas-save.js";
import { toast } from "./toast.js";

const LARGEST = 16000;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-png]");
  if (!link) return;
  event.preventDefault();
  whenSaved(() => give(link), "Picture");
});

async function give(link) {
  try {
    save(await paint(await (await fetch(link.href)).text()), `${link.dataset.png}.png`);
  } catch {
    toast({ message: "The picture is too large to paint here. Take the SVG instead.", tone: "warning" });
  }
}

async function paint(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const times = Math.min(2, LARGEST / image.width, LARGEST / image.height);
  const canvas = document.createElement("canvas");
  canvas.width = image.width * times;
  canvas.height = image.height * times;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no picture"))), "image/png"));
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
