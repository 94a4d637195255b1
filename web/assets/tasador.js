// Copying, printing, sending files, and panning and zooming of maps. Events are caught at
// the document, so that pages may draw their parts again at any time.
"use strict";

function announce(button, text) {
  const label = button.querySelector("span");
  const before = label.textContent;
  label.textContent = text;
  setTimeout(() => { label.textContent = before; }, 1500);
}

function textToCopy(button) {
  if (button.dataset.copy === "address") return location.href;
  const terms = [...document.querySelectorAll(`#${button.dataset.copy} dt`)];
  return terms.map((term) => `${term.innerText}: ${term.nextElementSibling.innerText}`).join("\n");
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(textToCopy(copy));
      announce(copy, copy.dataset.copied);
    } catch {
      announce(copy, copy.dataset.refused);
    }
  }
  if (event.target.closest("[data-print]")) print();
  const zoom = event.target.closest("[data-zoom]");
  if (zoom) {
    const map = zoom.closest("figure").querySelector("[data-map]");
    const factor = Number(zoom.dataset.zoom);
    if (factor) scaled(map, factor, 0.5, 0.5);
    else map.setAttribute("viewBox", map.dataset.map);
  }
});

function box(map) {
  return map.getAttribute("viewBox").split(" ").map(Number);
}

// Zoom around a point, given as shares of the drawing's width and height.
function scaled(map, factor, across, down) {
  const [x, y, size] = box(map);
  const whole = Number(map.dataset.map.split(" ")[2]);
  const wanted = Math.min(Math.max(size * factor, whole / 20), whole * 2);
  const gone = size - wanted;
  map.setAttribute("viewBox", [x + gone * across, y + gone * down, wanted, wanted].join(" "));
}

document.addEventListener("wheel", (event) => {
  const map = event.target.closest?.("[data-map]");
  // Without Ctrl the page scrolls, so that nobody is caught in a map.
  if (!map || !event.ctrlKey) return;
  event.preventDefault();
  const at = map.getBoundingClientRect();
  scaled(map, event.deltaY > 0 ? 1.15 : 0.87,
    (event.clientX - at.left) / at.width, (event.clientY - at.top) / at.height);
}, { passive: false });

let dragged = null;
document.addEventListener("pointerdown", (event) => {
  const map = event.target.closest?.("[data-map]");
  if (map) dragged = { map, x: event.clientX, y: event.clientY, start: box(map) };
});
document.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  const { map, start } = dragged;
  const unit = start[2] / map.getBoundingClientRect().width;
  const x = start[0] - (event.clientX - dragged.x) * unit;
  const y = start[1] - (event.clientY - dragged.y) * unit;
  map.setAttribute("viewBox", [x, y, start[2], start[3]].join(" "));
});
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => { dragged = null; });
}

// A card and its pin are lit together.
for (const [kind, lit] of [["pointerover", true], ["pointerout", false]]) {
  document.addEventListener(kind, (event) => {
    const number = event.target.closest?.("[data-pin]")?.dataset.pin;
    if (!number) return;
    for (const part of document.querySelectorAll(`[data-pin="${number}"]`)) {
      part.classList.toggle("lit", lit);
    }
  });
}

// The menu of a phone closes by a press outside of it, and by Escape; not by the presses of this
// script.
document.addEventListener("click", (event) => {
  const menu = event.isTrusted && document.querySelector(".menu[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector(".menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Pages that follow the platform have a hidden button, which fetches what they show. It is pressed
// when the histories have changed, and again while the page shows an error or what is going on.
let asking = false;
async function askForNews() {
  const buttons = document.querySelectorAll("[data-tick]");
  if (asking || !buttons.length || document.visibilityState !== "visible") return;
  asking = true;
  try {
    const answer = await fetch("/news", { cache: "no-store" });
    const mark = `${answer.status} ${await answer.text()}`;
    for (const button of buttons) {
      const changed = button.dataset.mark !== mark;
      button.dataset.mark = mark;
      if (changed || button.dataset.again === "true") button.click();
    }
  } catch { /* the server does not answer, which the page says by itself */ }
  asking = false;
}
setInterval(askForNews, 500);

// A slider asks for one address after another, and a browser refuses more than some 3 a second.
let rewritten = -Infinity;
let rewrite = 0;
function showAddress(address) {
  clearTimeout(rewrite);
  const page = location.pathname;
  const since = performance.now() - rewritten;
  if (since < 400) {
    rewrite = setTimeout(() => { if (location.pathname === page) showAddress(address); }, 400 - since);
    return;
  }
  rewritten = performance.now();
  history.replaceState(history.state, "", address);
}

// A page asks for another address, or for something to come into view, by attributes: no text of
// the server is evaluated.
new MutationObserver((changes) => {
  // A document begins at 0. It first hears what was asked of the one before it in this tab.
  const changed = changes.find((change) => change.oldValue !== "0")?.target;
  if (!changed) return;
  const { address, element } = changed.dataset;
  if (address) showAddress(address);
  const shown = element && document.getElementById(element);
  if (!shown) return;
  if (!("narrow" in shown.dataset)) shown.scrollIntoView({ block: "nearest" });
  else if (matchMedia("(max-width: 64rem)").matches) shown.scrollIntoView({ behavior: "smooth" });
}).observe(document, { subtree: true, attributes: true, attributeOldValue: true, attributeFilter: ["data-turn"] });

// The dialog that asks before an action. Opened this way it keeps the focus within and gives it back.
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target.dataset.open === "true" && !target.open) {
      target.showModal();
      target.querySelector("textarea, #cancel").focus();
    } else if (target.dataset.open === "false") target.close();
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-open"] });
document.addEventListener("cancel", (event) => {
  if (!event.target.matches("[data-open]")) return;
  event.preventDefault();
  event.target.querySelector("#cancel").click();
}, true);

// A slider that is dragged reports at most every 80 ms, and its last value in any case.
document.addEventListener("input", (event) => {
  const slider = event.target.closest?.("[data-slider]");
  if (!slider) return;
  clearTimeout(slider.later);
  const since = performance.now() - (slider.reported ?? -Infinity);
  if (since >= 80) {
    slider.reported = performance.now();
    return;
  }
  event.stopImmediatePropagation();
  slider.later = setTimeout(
    () => slider.dispatchEvent(new Event("input", { bubbles: true })), 80 - since);
}, true);

// A page is in one language. Its twin in the other one opens with the same query.
document.documentElement.lang = document.querySelector(".shell")?.lang || "en";
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-language]");
  if (link) link.search = location.search;
}, true);

// Signing in and out are forms of their own; who signs in returns to the page where they began.
document.addEventListener("click", (event) => {
  const form = event.target.closest?.("[data-submit]")?.form;
  if (!form) return;
  if ("return" in form.dataset) form.elements.next.value = location.pathname + location.search;
  form.submit();
});

// A file goes from the disk to the server by its own request, never through the page's memory.
function sendFile(area, file) {
  const show = (selector, text) => { area.querySelector(selector).textContent = text; };
  const bar = area.querySelector("[data-sent]");
  const request = new XMLHttpRequest();
  // A server that refuses a file breaks off, so that its reason may not arrive.
  const tooLarge = file.size > Number(area.dataset.most);
  show("[data-send-error]", tooLarge ? area.dataset.tooLarge : "");
  if (tooLarge) return;
  show("[data-sending]", area.dataset.saysSending.replace("{name}", () => file.name));
  request.upload.onprogress = (event) => {
    bar.style.width = `${100 * event.loaded / Math.max(event.total, 1)}%`;
  };
  request.onloadend = () => {
    bar.style.width = "0";
    show("[data-sending]", "");
    if (request.status === 204) {
      area.querySelector("[data-arrived]").click();
      return;
    }
    let detail = area.dataset.unanswered;
    try {
      detail = JSON.parse(request.responseText).detail;
    } catch { /* no problem document: the general text stands */ }
    show("[data-send-error]", detail);
  };
  request.open("PUT", `/batch-files/${area.dataset.upload}`);
  request.setRequestHeader("content-type", "application/octet-stream");
  request.setRequestHeader("x-file-name", encodeURIComponent(file.name));
  request.send(file);
}

document.addEventListener("change", (event) => {
  const area = event.target.closest?.("[data-upload]");
  if (area && event.target.files?.length) {
    sendFile(area, event.target.files[0]);
    event.target.value = "";
  }
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const area = document.querySelector("[data-upload]");
    if (!area) return;
    // A file that is dropped beside the area must not replace the page.
    event.preventDefault();
    const over = area.contains(event.target);
    area.classList.toggle("over", kind === "dragover" && over);
    if (kind === "drop" && over && event.dataTransfer.files.length) {
      sendFile(area, event.dataTransfer.files[0]);
    }
  });
}
