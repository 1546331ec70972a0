// Keeps the page up to date: asks for it again, and changes what is different of its <main>, so that focus, scroll
// positions, open details and selected text stay.
(() => {
  "use strict";
  const EVERY = 10000, PATIENCE = 60000;
  const status = document.getElementById("live");
  const ANEW = 401;  // the server has another token
  let etag = null, updated = new Date(), timer = 0, isAsking = false;

  const twoDigits = (number) => String(number).padStart(2, "0");
  const say = (text) => { if (status.textContent !== text) status.textContent = text; };

  function changeAttributes(old, fresh) {
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(old.tagName === "DETAILS" && name === "open")) old.removeAttribute(name);
    }
  }

  function change(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh);
    } else if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = fresh.data;
    } else {
      changeAttributes(old, fresh);
      const after = [...fresh.childNodes];
      after.forEach((child, place) => {
        const same = child.id && [...old.children].find((each) => each.id === child.id);
        if (same && same !== old.childNodes[place]) old.insertBefore(same, old.childNodes[place]);
        if (place < old.childNodes.length) change(old.childNodes[place], child); else old.append(child);
      });
      while (old.childNodes.length > after.length) old.lastChild.remove();
    }
  }

  function show(text) {
    const main = document.getElementById("main"), focused = document.activeElement;
    const fresh = document.adoptNode(new DOMParser().parseFromString(text, "text/html").getElementById("main"));
    const address = main.contains(focused) && focused.getAttribute("href");
    change(main, fresh);
    if (address && document.activeElement.getAttribute("href") !== address) {  // its row has moved
      const moved = [...document.querySelectorAll("#main a")].find((link) => link.getAttribute("href") === address);
      if (moved) moved.focus({ preventScroll: true });
    }
  }

  async function ask() {
    clearTimeout(timer);
    if (document.hidden || isAsking) return;
    isAsking = true;
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (answer.status === 200) {
        show(await answer.text());
        etag = answer.headers.get("ETag");
      } else if (answer.status !== 304) {
        throw answer;
      }
      updated = new Date();
      say("");
    } catch (fault) {
      const since = `Not updated since ${twoDigits(updated.getHours())}:${twoDigits(updated.getMinutes())}`;
      say(`${since}${fault.status === ANEW ? ": open the address that the server printed at its new start" : ""}.`);
    } finally {
      isAsking = false;
      timer = setTimeout(ask, EVERY);
    }
  }

  document.addEventListener("visibilitychange", ask);
  document.addEventListener("formdata", ({ formData }) => {  // the address has no more than what is chosen
    const chosen = [...formData].filter(([, value]) => value);
    for (const name of [...formData.keys()]) formData.delete(name);
    for (const [name, value] of chosen) formData.append(name, value);
  });
  timer = setTimeout(ask, EVERY);
})();
