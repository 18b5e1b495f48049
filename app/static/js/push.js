// [data-push]: a button by which a reader gets notifications on this device, where the browser can.
const place = document.querySelector("[data-push]");
const button = place?.querySelector("button");
const told = place?.querySelector("[data-push-told]");

if (place && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window) {
  place.hidden = false;
  navigator.serviceWorker.getRegistration(place.dataset.scope).then(async (registration) => {
    if (await registration?.pushManager.getSubscription()) tell("This device gets notifications.");
  });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await subscribe();
      tell("This device gets notifications from now on.");
    } catch (problem) {
      tell(
        Notification.permission === "denied"
          ? "Your browser blocks notifications from this site. Allow them in its settings, then try again."
          : "That did not work. Try again in a moment.",
      );
      console.warn(problem);
    }
    button.disabled = false;
  });
}

async function subscribe() {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("not allowed");
  const registration = await navigator.serviceWorker.register(place.dataset.worker, { scope: place.dataset.scope });
  await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytes(place.dataset.key),
  });
  const answer = await fetch(place.dataset.url, {
    method: "POST",
    body: new URLSearchParams({ subscription: JSON.stringify(subscription) }),
  });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
}

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

function tell(words) {
  told.textContent = words;
}
