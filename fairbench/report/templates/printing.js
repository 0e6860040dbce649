// On paper nothing can be opened.
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not(.tools *)").forEach((one) => { one.open = true; });
});
