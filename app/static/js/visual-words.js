// The words of a letter that is drawn (visual-editor.js), while a text of it is open: merge tags go in where the cursor
// stands, what stands above the text is pressed by keys too, and the text is closed by Esc or by going on to something else.

// Opens the text that is chosen, as a double click does.
export function open(editor) {
  editor.getSelected()?.trigger("active");
}

// `write` takes the words of a text that was closed into what is saved; `leave` says where the keyboard goes after Esc.
export function words(editor, { form, canvas, tags, write, leave }) {
  const list = listOf(tags);
  const menu = Object.assign(document.createElement("div"), { className: "tag-menu", popover: "manual" });
  menu.append(list);
  document.body.append(menu);
  let button;
  let keyed = false;

  // An address is put in as a link with words: a reader should not see it. What is typed next stands behind it.
  function put(tag) {
    const one = tags.find((it) => it.tag === tag);
    const rte = editor.RichTextEditor.globalRte;
    if (!one || !rte) return;
    const said = one.tag.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    rte.insertHTML(one.link ? `<a href="${said}">${one.link}</a>` : said);
    // The editor leaves what it put in chosen, and the next key would replace it.
    rte.doc.getSelection().collapseToEnd();
  }

  function toText() {
    editor.Canvas.getWindow().focus();
    editor.RichTextEditor.globalRte?.el.focus();
  }

  async function close() {
    await editor.getEditing()?.view.disableEditing();
    write();
  }

  function show(opener) {
    button = opener;
    const place = button.getBoundingClientRect();
    menu.showPopover();
    menu.style.left = `${Math.max(8, Math.min(place.left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(place.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
    button.setAttribute("aria-expanded", "true");
    list.selectedIndex = 0;
    list.focus();
  }

  function hide() {
    if (!menu.matches(":popover-open")) return false;
    menu.hidePopover();
    button.setAttribute("aria-expanded", "false");
    return true;
  }

  function take() {
    if (!hide()) return;
    toText();
    put(list.value);
  }

  // Keys only go through the list; Enter, a click, and the wheel of a phone put in what is chosen.
  list.addEventListener("pointerdown", () => (keyed = false));
  list.addEventListener("keydown", (event) => {
    keyed = true;
    if (event.key === "Escape" && hide()) toText();
    if (event.key === "Enter") take();
    if (event.key === "Enter" || event.key === "Escape") event.preventDefault();
  });
  list.addEventListener("change", () => keyed || take());
  list.addEventListener("click", ({ target }) => target.closest("option") && take());
  list.addEventListener("blur", hide);

  editor.RichTextEditor.add("merge-tag", {
    icon: '<button type="button" aria-label="Put in a merge tag" aria-haspopup="listbox" aria-expanded="false">Merge tag…</button>',
    result: (_, action) => {
      keyed = false;
      show(action.btn.firstChild);
    },
  });

  editor.on("rte:enable", () => {
    const bar = canvas.querySelector(".gjs-rte-actionbar");
    bar.setAttribute("role", "toolbar");
    bar.setAttribute("aria-label", "The words that are chosen");
    for (const one of bar.children) {
      if (one.querySelector("button")) continue;
      one.setAttribute("role", "button");
      one.setAttribute("aria-label", one.title);
      one.tabIndex = 0;
    }
  });
  canvas.addEventListener("keydown", (event) => {
    const pressed = event.target.closest?.(".gjs-rte-action[role=button]");
    if (!pressed || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    pressed.click();
    toText();
  });
  async function escape(event) {
    if (event.key !== "Escape" || !editor.getEditing()) return;
    event.preventDefault();
    await close();
    leave();
  }
  canvas.addEventListener("keydown", escape);
  editor.on("load", () => editor.Canvas.getDocument().addEventListener("keydown", escape));

  // Whoever goes on by keys to something else of the page has written what is in the text.
  form.addEventListener("focusin", ({ target }) => {
    if (editor.getEditing() && !canvas.contains(target)) close();
  });

  // The list of merge tags above the letter puts them there too, while a text of it is open; pressing any other thing of
  // the page closes the text.
  for (const type of ["mousedown", "click"])
    form.addEventListener(
      type,
      (event) => {
        const insert = event.target.closest("[data-insert]");
        if (!insert || !editor.getEditing()) return;
        event.stopPropagation();
        event.preventDefault();
        if (type === "click") put(insert.dataset.insert);
      },
      true,
    );
}

function listOf(tags) {
  const list = Object.assign(document.createElement("select"), { size: 10 });
  list.setAttribute("aria-label", "Merge tags");
  for (const name of new Set(tags.map((one) => one.group))) {
    const group = Object.assign(document.createElement("optgroup"), { label: name });
    for (const one of tags) if (one.group === name) group.append(new Option(one.label, one.tag));
    list.append(group);
  }
  return list;
}
