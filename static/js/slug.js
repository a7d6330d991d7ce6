// A short name follows the name until somebody types one: "Data & Co" is "data-co".

for (const slug of document.querySelectorAll("[data-slug-of]")) {
  const name = document.getElementById(slug.dataset.slugOf);
  let typed = slug.value !== "";

  slug.addEventListener("input", () => {
    typed = slug.value !== "";
  });

  name?.addEventListener("input", () => {
    if (typed) return;
    const plain = name.value.toLowerCase().normalize("NFKD");
    const words = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
    slug.value = words.slice(0, 64);
  });
}
