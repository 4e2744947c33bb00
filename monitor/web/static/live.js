// Looks again every 20 seconds and puts in what has changed. Without it the pages work the same, by loading them anew.
"use strict";
const EVERY = 20000;

async function lookAgain() {
  if (document.hidden || document.activeElement?.closest("form")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (!answer.ok && answer.status !== 423) return; // 423 is how /publishing says no
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      const opened = part.querySelector("details[open]");
      if (other && !opened && other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
    }
  } catch {
    // the line is down; the next look comes soon
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

if (document.querySelector("[data-live]")) setInterval(lookAgain, EVERY);
