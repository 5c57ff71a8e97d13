// HTML that Python sets, in the style of the course.

/** @param {{model: import("@anywidget/types").AnyModel, el: HTMLElement}} view */
function render({ model, el }) {
  el.classList.add("fmnist");
  if (model.get("live")) el.setAttribute("aria-live", "polite");
  const show = () => { el.innerHTML = model.get("value"); };
  model.on("change:value", show);
  show();
  return () => model.off("change:value", show);
}

export default { render };
