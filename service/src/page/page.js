// What pages do beyond plain HTML: parts change in place as they change at the server, and boxes are ticked and counted together.
(() => {
  "use strict";
  const AGAIN_MS = 10000;
  const LOST_AFTER_MS = 8000;
  const main = document.getElementById("main");
  const lost = document.getElementById("lost");

  // --- Change in place ---

  // What a person opened, ticked, chose or typed is theirs.
  const THEIRS = new Set(["open", "checked", "selected", "value"]);
  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || "" : "");
  const isSame = (a, b) => a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
  const isTheirs = (node, name) => THEIRS.has(name) && node.type !== "hidden" && node.nodeName !== "PROGRESS" && node.nodeName !== "METER" && node.nodeName !== "BUTTON";

  // Selected text stands still, so that it can be copied.
  function isHeld(node) {
    const selection = getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(node, true);
  }

  function move(box, node, before) {
    if (box.moveBefore) return box.moveBefore(node, before);
    const focused = document.activeElement;
    box.insertBefore(node, before);
    if (focused && node.contains(focused)) focused.focus({ preventScroll: true });
  }

  function change(from, to) {
    if (from.isEqualNode(to)) return;
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data && !isHeld(from)) from.data = to.data;
      return;
    }
    for (const { name, value } of to.attributes) if (!isTheirs(from, name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    for (const { name } of [...from.attributes]) if (!isTheirs(from, name) && !to.hasAttribute(name)) from.removeAttribute(name);
    if (from.nodeName !== "SELECT" && from.nodeName !== "TEXTAREA") changeInside(from, to);
  }

  function changeInside(from, to) {
    let at = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const key = keyOf(wanted);
      const there = key && at && keyOf(at) !== key ? [...from.children].find((child) => keyOf(child) === key) : at;
      if (there && isSame(there, wanted)) {
        if (there === at) at = at.nextSibling;
        else move(from, there, at);
        change(there, wanted);
      } else from.insertBefore(wanted, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  };

  function changePart({ part, keys, html }) {
    const box = document.querySelector(`[data-live="${part}"]`);
    if (!box) return;
    if (keys.length === 1 && keys[0] === "") return changeInside(box, parsed(html[""] || ""));
    const known = new Map([...box.children].map((child) => [keyOf(child), child]));
    let at = box.firstElementChild;
    for (const key of keys) {
      const there = known.get(key);
      const wanted = key in html ? parsed(html[key]).firstElementChild : null;
      if (there) {
        if (there === at) at = at.nextElementSibling;
        else move(box, there, at);
        if (wanted) change(there, wanted);
      } else if (wanted) box.insertBefore(wanted, at);
    }
    while (at) {
      const next = at.nextElementSibling;
      at.remove();
      at = next;
    }
  }

  // --- What comes from the server ---

  let source = null;
  let silence = 0;

  const heard = () => {
    clearTimeout(silence);
    silence = 0;
    lost.hidden = true;
  };

  function listen() {
    if (source || document.hidden) return;
    source = new EventSource(location.origin + location.pathname + location.search);
    source.onopen = heard;
    source.onmessage = (event) => {
      heard();
      JSON.parse(event.data).forEach(changePart);
      count();
      document.dispatchEvent(new Event("renewed"));
    };
    source.onerror = () => {
      silence ||= setTimeout(() => (lost.hidden = false), LOST_AFTER_MS);
      if (source && source.readyState === EventSource.CLOSED) {
        hush();
        isOver().then((over) => (over ? location.reload() : setTimeout(listen, AGAIN_MS)));
      }
    };
  }

  // Whether the session has ended: then the page leads to where one comes in.
  async function isOver() {
    const enough = new AbortController();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/event-stream" }, signal: enough.signal });
      return answer.status === 401;
    } catch {
      return false;
    } finally {
      enough.abort();
    }
  }

  function hush() {
    if (source) source.close();
    source = null;
  }

  if (main && lost && main.hasAttribute("data-renews")) {
    document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
    addEventListener("pagehide", hush);
    addEventListener("pageshow", listen);
    listen();
  }

  // --- Boxes: one ticks all that are shown, and their number is told ---

  const boxes = (group) => [...document.querySelectorAll(`input[type=checkbox][data-of="${CSS.escape(group)}"]`)];

  function count() {
    for (const all of document.querySelectorAll("input[type=checkbox][data-all]")) {
      const group = all.dataset.all;
      const ticked = boxes(group).filter((box) => box.checked).length;
      all.checked = ticked > 0 && ticked === boxes(group).length;
      all.indeterminate = ticked > 0 && !all.checked;
      for (const told of document.querySelectorAll(`[data-count="${CSS.escape(group)}"]`)) told.textContent = String(ticked);
    }
  }

  document.addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.type !== "checkbox") return;
    if (target.dataset.all) for (const box of boxes(target.dataset.all)) box.checked = target.checked;
    if (target.dataset.all || target.dataset.of) count();
  });
  // A choice from a list is a whole answer.
  document.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLSelectElement && target.dataset.submits !== undefined) target.form.requestSubmit();
  });
  // What is open on a desk is folded on a telephone.
  const narrow = matchMedia("(max-width: 760px)");
  const fold = () => document.querySelectorAll("details[data-folds]").forEach((details) => (details.open = !narrow.matches));
  narrow.addEventListener("change", fold);
  fold();
  // A file of text is read into the field that is sent.
  document.addEventListener("change", async ({ target }) => {
    const into = target instanceof HTMLInputElement && target.type === "file" && document.getElementById(target.dataset.readsInto);
    if (into && target.files[0]) into.value = await target.files[0].text();
  });
  document.documentElement.classList.add("scripted");
  count();
})();
