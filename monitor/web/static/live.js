// Looks again every 20 seconds and puts in what has changed. Without it the pages work the same, by loading them anew.
"use strict";
const EVERY = 20000;
let lookedAt = new Date();

async function lookAgain() {
  if (document.hidden || document.activeElement?.closest("form")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (!answer.ok && answer.status !== 423) return sayStale(); // 423 is how /publishing says no
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      const opened = part.querySelector("details[open]");
      if (other && !opened && other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
    }
    lookedAt = new Date();
    document.getElementById("stale")?.remove();
  } catch {
    sayStale(); // the line is down; the next look comes soon
  }
}

// Old news must not pass for news: "all quiet" of an hour ago, or "you may post" of before the takeover.
function sayStale() {
  if (document.getElementById("stale")) return;
  const line = document.createElement("p");
  line.id = "stale";
  line.className = "banner alert";
  line.setAttribute("role", "alert");
  const time = lookedAt.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  line.textContent = `This page may be out of date: it could not look again since ${time}. Load it again, or sign in.`;
  document.getElementById("main").prepend(line);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

if (document.querySelector("[data-live]")) {
  setInterval(lookAgain, EVERY);
  document.addEventListener("visibilitychange", lookAgain); // a telephone that is taken up again
}
