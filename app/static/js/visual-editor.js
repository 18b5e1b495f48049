// [data-visual-editor]: a letter is drawn instead of written. The textarea with its MJML stays the one that is saved and
// previewed; without this module it is written in. GrapesJS finds nothing in the network: no icons, no telemetry; pictures
// are the organisation's own, and go there.
import { open, words } from "./visual-words.js";

const box = document.querySelector("[data-visual-editor]");
const source = box.querySelector("textarea[name=mjml]");
const form = source.form;
const tags = JSON.parse(box.dataset.tags);
const pictures = JSON.parse(box.dataset.pictures);
const BLOCKS = ["mj-1-column", "mj-2-columns", "mj-3-columns", "mj-text", "mj-button", "mj-image", "mj-divider", "mj-spacer", "mj-raw"];
// Shown until a picture is chosen; the checks before sending name it.
const PLACE = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='600' height='200'%3E%3Crect width='600' height='200' fill='%23dfe5e0'/%3E%3C/svg%3E";
const VIEWS = { "open-blocks": "Parts", "open-tm": "Settings", "open-sm": "Style", "open-layers": "Outline" };
const SECTIONS = ["mj-1-column", "mj-2-columns", "mj-3-columns"];
const PARTS = ["mj-section", "mj-text", "mj-button", "mj-image", "mj-divider", "mj-spacer", "mj-raw", "mj-hero", "mj-social", "mj-navbar", "mj-table"];

const canvas = box.querySelector("[data-canvas]");
const written = box.querySelector("[data-written]");
written.hidden = true;
canvas.hidden = false;
box.querySelector("[data-tools]").hidden = false;

const editor = globalThis.grapesjs.init({
  container: canvas,
  height: "var(--visual-height)",
  width: "auto",
  fromElement: false,
  storageManager: false,
  // The form says itself what is unsaved.
  noticeOnUnload: false,
  telemetry: false,
  cssIcons: "",
  assetManager: {
    assets: pictures.map((one) => ({ type: "image", ...one })),
    upload: box.dataset.upload,
    uploadName: "file",
    multiUpload: false,
    autoAdd: true,
    embedAsBase64: false,
    params: { csrf_token: form.elements.csrf_token.value },
  },
  canvas: { frameStyle: "body { background: #fff; } ::-webkit-scrollbar { width: 8px; }" },
  plugins: [globalThis["grapesjs-mjml"]?.default ?? globalThis["grapesjs-mjml"]],
  pluginsOpts: {},
});

// Blocks that fetch pictures of others, and those of services a club may not use, are not offered.
for (const block of editor.Blocks.getAll().models.slice()) if (!BLOCKS.includes(block.getId())) editor.Blocks.remove(block.getId());
const image = editor.Blocks.get("mj-image");
if (image) image.set("content", `<mj-image src="${PLACE}" alt="" padding="10px 25px"></mj-image>`);
const raw = editor.Blocks.get("mj-raw");
if (raw) raw.set("content", "<mj-raw><p>HTML</p></mj-raw>");

editor.I18n.addMessages({
  en: {
    assetManager: {
      modalTitle: "Choose a picture",
      uploadTitle: "Drop a picture here, or click to choose one: PNG, JPEG, GIF, WebP",
      addButton: "Use this address",
      inputPlh: "https://…",
    },
    traitManager: {
      empty: "Choose something in the letter first.",
      label: "Settings",
      traits: {
        labels: {
          href: "Leads to",
          target: "Opens in",
          title: "Words shown on hover",
          alt: "Words for those who don’t see it",
          src: "Address of the picture",
          name: "Name",
          "full-width": "Across the whole width",
          hamburger: "Folded on phones",
          mode: "Arranged",
        },
        attributes: {
          href: { placeholder: "https://…" },
          alt: { placeholder: "What it shows" },
          title: { placeholder: "" },
        },
      },
    },
    styleManager: { empty: "Choose something in the letter first." },
  },
});
// What only those who write HTML know is not asked for.
editor.on("component:create", (one) => {
  for (const name of ["id", "rel"]) if (one.getTrait(name)) one.removeTrait(name);
});

// One click, or Enter, chooses a picture.
const ASSET = ".gjs-am-asset";
function reachable() {
  for (const one of document.querySelectorAll(ASSET)) {
    one.tabIndex = 0;
    one.setAttribute("role", "button");
    one.setAttribute("aria-label", `Choose ${one.querySelector(".gjs-am-name")?.textContent.trim() ?? "this picture"}`);
  }
}
for (const event of ["asset:open", "asset:add"]) editor.on(event, () => setTimeout(reachable));
document.addEventListener("click", ({ target }) => {
  if (target.closest(ASSET) && !target.closest("[data-toggle=asset-remove]")) setTimeout(() => editor.Assets.close());
});
document.addEventListener("keydown", (event) => {
  const asset = event.key === "Enter" && event.target.closest?.(ASSET);
  if (!asset) return;
  event.preventDefault();
  asset.click();
});

// What is wrong with a picture is said where it was dropped.
editor.on("asset:upload:error", (error) => {
  let said = "This picture could not be sent. Try again.";
  try {
    said = JSON.parse(error.message ?? error).error ?? said;
  } catch {}
  const place = document.querySelector(".gjs-am-file-uploader");
  if (!place) return;
  const words = place.querySelector("[role=alert]") ?? place.appendChild(Object.assign(document.createElement("p"), { className: "visual-refused" }));
  words.setAttribute("role", "alert");
  words.textContent = said;
});
editor.on("asset:upload:start", () => document.querySelector(".visual-refused")?.remove());
// A picture brings its words along, unless it has some already.
editor.on("asset:close", () => {
  const one = editor.getSelected();
  const asset = one && editor.Assets.getAll().find((it) => it.get("src") === one.getAttributes().src);
  if (asset?.get("alt") && !one.getAttributes().alt) one.addAttributes({ alt: asset.get("alt") });
});

// The toolbar above does what these buttons do, with words; the views are named by words too.
editor.Panels.removePanel("options");
for (const [id, label] of Object.entries(VIEWS)) editor.Panels.getButton("views", id)?.set({ label, className: "", attributes: { title: label } });

// The words of a merge tag may hold signs that HTML writes otherwise; a tag means them as they are.
const plain = document.createElement("textarea");
function unescaped(mjml) {
  return mjml.replace(/\{\{.*?\}\}|\{%.*?%\}/gs, (tag) => {
    plain.innerHTML = tag;
    return plain.value;
  });
}

// These would act on the canvas itself, which is a page: they lie in it under another name, and are kept as they are.
const ACTING = ["meta", "base"];
function asleep(mjml) {
  return ACTING.reduce((words, tag) => words.replace(new RegExp(`<${tag}(?=[\\s/>])`, "gi"), `<fw-${tag}`), mjml);
}
function awake(mjml) {
  return ACTING.reduce((words, tag) => words.replaceAll(`<fw-${tag}`, `<${tag}`).replaceAll(`</fw-${tag}>`, ""), mjml);
}

let loading = true;
let drawn;
editor.on("load", () => {
  editor.setComponents(asleep(source.value));
  drawn = letter();
  editor.UndoManager.clear();
  editor.Panels.getButton("views", "open-blocks")?.set("active", true);
  loading = false;
});

let waiting;
editor.on("update", () => {
  if (loading) return;
  clearTimeout(waiting);
  waiting = setTimeout(write, 250);
});

function letter() {
  return awake(unescaped(editor.getHtml().trim()));
}

function write() {
  clearTimeout(waiting);
  // Much of what the editor tells of, such as a text that was opened, changes no letter.
  if (loading || letter() === drawn) return;
  source.value = drawn = letter();
  form.dataset.changed = "";
  source.dispatchEvent(new Event("input", { bubbles: true }));
}
form.addEventListener("submit", write, true);
form.addEventListener("click", ({ target }) => target.closest("[data-as-it-stands]") && write(), true);

const wordsButton = box.querySelector("[data-act=words]");
words(editor, { form, canvas, tags, write, leave: () => wordsButton.focus() });

// Enter in a setting of a part takes it over; it is no wish to save the letter.
canvas.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.target.form !== form) return;
  event.preventDefault();
  event.target.dispatchEvent(new Event("change", { bubbles: true }));
});

// What is dragged in with a mouse is put in by these buttons with a key or a finger: after what is chosen, else at the end.
box.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-add-block]");
  if (button) add(button.dataset.addBlock);
  const act = target.closest("[data-act]")?.dataset.act;
  if (act === "undo") editor.UndoManager.undo();
  if (act === "redo") editor.UndoManager.redo();
  if (act === "remove") for (const one of editor.getSelectedAll()) one.remove();
  if (act === "up" || act === "down") move(act === "up" ? -1 : 1);
  if (act === "before" || act === "next") choose(act === "next" ? 1 : -1);
  if (act === "words") open(editor);
  const device = target.closest("[data-device]");
  if (device) editor.Devices.select(device.dataset.device);
});

function add(id) {
  const block = editor.Blocks.get(id);
  const chosen = editor.getSelected();
  const isSection = SECTIONS.includes(id);
  const near = chosen && closest(chosen, isSection ? "mj-section" : "mj-column", true);
  const body = editor.getWrapper().findType("mj-body")[0];
  if (isSection) return select(body.append(block.get("content"), near ? { at: near.index() + 1 } : {}));
  const columns = editor.getWrapper().findType("mj-column");
  let column = near ?? columns.at(-1);
  if (!column) [column] = body.append(editor.Blocks.get("mj-1-column").get("content"))[0].findType("mj-column");
  const at = chosen && chosen.parent() === column ? { at: chosen.index() + 1 } : {};
  return select(column.append(block.get("content"), at));
}

function select([first]) {
  editor.select(first);
  editor.Canvas.scrollTo(first, { behavior: "auto", block: "nearest" });
}

// Goes through the parts as they are read, from the one that is chosen.
function choose(by) {
  const parts = editor.getWrapper().find("*").filter((one) => PARTS.includes(one.get("type")));
  const at = parts.indexOf(editor.getSelected());
  const to = parts[at < 0 ? (by > 0 ? 0 : parts.length - 1) : at + by];
  if (to) select([to]);
}

function closest(one, type) {
  let found = one;
  while (found && found.get("type") !== type) found = found.parent();
  return found;
}

function move(by) {
  const one = editor.getSelected();
  const parent = one?.parent();
  if (!parent) return;
  const to = one.index() + by;
  if (to < 0 || to >= parent.components().length) return;
  one.move(parent, { at: by > 0 ? to + 1 : to });
  editor.select(one);
}
const told = box.querySelector("[data-chosen]");
editor.on("component:selected", (one) => {
  const said = one.get("type") === "mj-section" ? "" : one.getEl()?.textContent.replace(/\s+/g, " ").trim().slice(0, 60);
  if (!loading) told.textContent = `Chosen: ${one.getName()}${said ? `, ${said}` : ""}`;
});

globalThis.fairwayVisualEditor = editor;
