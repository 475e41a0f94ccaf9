// @ts-check
// Sets the chosen theme before the page is painted; loaded in the head, so not as a module.

(() => {
  const chosen = localStorage.getItem("swarm-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
