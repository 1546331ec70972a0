"use strict";
// Shows one of the views that the file has. The address keeps which: #period=30&only=model_tier%3Dsmall
(() => {
  const views = [...document.querySelectorAll("[data-period]")];
  const controls = document.getElementById("controls");
  const first = views.find((view) => !view.hidden);
  const start = { period: first.dataset.period, only: first.dataset.only };
  const shown = { ...start };
  const only = controls.querySelector("select");

  function show() {
    for (const view of views) {
      view.hidden = view.dataset.period !== shown.period || view.dataset.only !== shown.only;
    }
    for (const radio of controls.querySelectorAll("input")) {
      radio.checked = radio.value === shown.period;
    }
    if (only) {
      only.value = shown.only;
    }
  }

  function follow() {
    const hash = location.hash.slice(1);
    const asked = new URLSearchParams(hash);
    if (asked.has("period")) {
      const wanted = { period: asked.get("period"), only: asked.get("only") || "" };
      if (views.some((view) => view.dataset.period === wanted.period && view.dataset.only === wanted.only)) {
        Object.assign(shown, wanted);
      }
    } else if (!hash) {
      Object.assign(shown, start); // back before the first choice
    }
    show();
    const target = asked.has("period") ? null : document.getElementById(hash);
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  }

  controls.addEventListener("change", () => {
    shown.period = controls.querySelector("input:checked").value;
    shown.only = only ? only.value : "";
    const asked = new URLSearchParams({ period: shown.period });
    if (shown.only) {
      asked.set("only", shown.only);
    }
    location.hash = asked;
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) {
      details.open = true;
    }
  });
  controls.hidden = false;
  follow();
})();
