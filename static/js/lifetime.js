// The date beside a lifetime shows when "Until a date" is chosen.

for (const pair of document.querySelectorAll("[data-lifetime]")) {
  const choice = pair.querySelector("select");
  const date = pair.querySelector("input[type=date]");

  const show = () => {
    date.hidden = choice.value !== "date";
  };

  choice.addEventListener("change", show);
  show();
}
