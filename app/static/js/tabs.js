// Where tabs are more than fit beside each other, the one that is open is in sight.
for (const open of document.querySelectorAll(".tabs [aria-current]")) {
  const tabs = open.closest(".tabs");
  tabs.scrollLeft = open.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;
}
