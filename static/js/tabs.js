// Tabs that scroll on a narrow screen: the one that is open is in sight.

const open = document.querySelector("[data-tabs] [aria-current]");
open?.scrollIntoView({ block: "nearest", inline: "center" });
