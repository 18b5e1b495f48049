// The toast button of the components page.
import { toast } from "./toast.js";

document.querySelector("[data-demo-toast]").addEventListener("click", () => {
  toast({ message: "Journey archived.", tone: "success", undo_url: location.pathname });
});
