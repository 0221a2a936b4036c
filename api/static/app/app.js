// Small helpers for every page. Nothing here is needed to read a page or to send a form.

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask ?? event.target.dataset.ask;
  if (question && !window.confirm(question)) event.preventDefault();
}, true);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  if (button.dataset.do === "print") window.print();
  if (button.dataset.do === "copy") {
    const text = document.getElementById(button.dataset.from).textContent.trim();
    await navigator.clipboard?.writeText(text);
    button.textContent = button.dataset.done;
  }
});

// The other view of a draft takes along what was typed; without script the tab shows what is stored.
document.addEventListener("click", (event) => {
  const tab = event.target.closest("[data-submit]:not([aria-current])");
  const button = tab && document.querySelector(`button[form="editor"][value="${tab.dataset.submit}"]`);
  if (!button) return;
  event.preventDefault();
  button.form.requestSubmit(button);
});

// A filter that is chosen is applied at once; without script the button does it.
for (const form of document.querySelectorAll("form.filters, form.filters-inline")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
}
