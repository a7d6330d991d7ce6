// A choice shows the fields that belong to it and hides those of the others: the team field of the chosen scope.

const choices = [...document.querySelectorAll("[data-shows]")];

const show = () => {
  for (const choice of choices) {
    const fields = document.getElementById(choice.dataset.shows);
    if (fields) fields.hidden = !choice.checked;
  }
};

for (const choice of choices) choice.addEventListener("change", show);
show();
