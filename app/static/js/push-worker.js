// The worker of devices that get notifications: shows what comes, and opens where a tap leads.
self.addEventListener("push", (event) => {
  const said = event.data?.json() ?? {};
  event.waitUntil(
    self.registration.showNotification(said.title ?? "", {
      body: said.body,
      icon: said.icon,
      tag: said.tag,
      data: { url: said.url },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  if (event.notification.data?.url) event.waitUntil(self.clients.openWindow(event.notification.data.url));
});
