// The journey builder: its parts, and nothing else.
import "./canvas-swap.js";
import "./canvas-view.js";
import "./canvas-save.js";
import "./canvas-panel.js";
import "./canvas-menu.js";
import "./canvas-drag.js";
import "./canvas-select.js";
import "./canvas-clip.js";
import "./canvas-join.js";
import "./canvas-notes.js";
import "./canvas-fold.js";
import "./canvas-find.js";
import "./canvas-map.js";
import "./canvas-help.js";
import "./canvas-presence.js";
import "./canvas-picture.js";
import "./canvas-keys.js";
