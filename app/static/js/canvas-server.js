// How the canvas and the server talk. An answer waits while the pointer is held down, so that nothing is drawn anew between
// a press and its click. Who was signed out meanwhile signs in beside this page, and what was asked is asked once more.
import { dropTurns, graph } from "./canvas-edit.js";

const [LONGEST, LOOK] = [3000, 5000];
const EXPIRED = "X-Form-Expired";
const HEADERS = "hx-headers:inherited";
const notice = document.getElementById("signed-out");
const door = new URL(notice.querySelector("a").href).pathname;

let up = null; // while the pointer is down: what is done once it is up
let letGo = null;
let back = null; // while nobody is signed in: what is done once somebody is

/** Whether the pointer is held down. */
export const pressed = () => up !== null;
/** Whether the server waits for somebody to sign in. */
export const signedOut = () => back !== null;
/** The token that forms and requests of this session carry. */
export const token = () => JSON.parse(document.body.getAttribute(HEADERS))["X-CSRFToken"];

addEventListener("pointerdown", () => (up ??= new Promise((done) => (letGo = done))), { capture: true });
for (const event of ["pointerup", "pointercancel"]) addEventListener(event, release, { capture: true });
// It may come up outside of the window, or in a list that the browser opens.
addEventListener("pointermove", ({ buttons }) => !buttons && release(), { capture: true });

function release() {
  if (up) setTimeout(letGo); // the click comes first
  up = null;
}

const released = () => Promise.race([up, new Promise((done) => setTimeout(done, LONGEST))]);

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const ask = ctx.fetch;
  ctx.fetch = async (url, request) => {
    let answer = await ask(url, request);
    let expired = false; // a token that was taken over is asked with only once
    while (await refusedStrangers(answer, request.headers["X-CSRFToken"], expired)) {
      expired ||= answer.headers.has(EXPIRED);
      request = renewed(request);
      answer = await ask(url, request);
    }
    if (up) await released();
    return answer;
  };
});

// Who asked with an `answer` is told how it was answered.
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.answer) Object.assign(ctx.answer, { status: ctx.response.status, refused: ctx.response.headers.has("X-Edit-Refused") });
});

// Waits until somebody is signed in, and returns whether it is to be asked again.
async function refusedStrangers(answer, sent, again) {
  const to = answer.headers.get("HX-Redirect");
  if (to && new URL(to, location.href).pathname === door) {
    await signIn();
    return true;
  }
  if (again || !answer.headers.has(EXPIRED)) return false;
  // Signed out in another tab, or signed in anew there: then the token is another one.
  if (sent === token() && !(await renew())) await signIn();
  return sent !== token();
}

function renewed({ signal: _, ...request }) {
  if (request.body?.has?.("csrf_token")) request.body.set("csrf_token", token());
  return { ...request, headers: { ...request.headers, "X-CSRFToken": token() } };
}

function signIn() {
  back ??= new Promise((done) => {
    notice.hidden = false;
    dropTurns("What you pressed meanwhile was not done, for you were signed out.");
    const over = new AbortController();
    const timer = setInterval(look, LOOK);
    let looking = false;
    async function look() {
      if (looking || document.hidden) return;
      looking = true;
      if (await renew()) {
        over.abort();
        clearInterval(timer);
        notice.hidden = true;
        back = null;
        done();
      }
      looking = false;
    }
    addEventListener("focus", look, { signal: over.signal });
    document.addEventListener("visibilitychange", look, { signal: over.signal });
  });
  return back;
}

// Takes over the token of who is signed in now; returns false where nobody is.
async function renew() {
  try {
    const answer = await fetch(graph().dataset.here, { redirect: "manual" });
    if (!answer.ok) return false;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.body.setAttribute(HEADERS, page.body.getAttribute(HEADERS));
  } catch {
    return false;
  }
  const toasts = document.getElementById("toast-template").content;
  for (const root of [document, toasts]) for (const field of root.querySelectorAll("input[name=csrf_token]")) field.value = token();
  return true;
}
