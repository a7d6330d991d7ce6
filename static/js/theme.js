// Whoever chooses a theme stays on the page: its form says where to go back to.

for (const form of document.querySelectorAll("[data-returns]")) {
  const back = document.createElement("input");
  Object.assign(back, { type: "hidden", name: "back", value: location.pathname + location.search });
  form.append(back);
}
