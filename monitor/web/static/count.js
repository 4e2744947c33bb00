// Says how many signs a box still has room for. Without it the page works the same.
"use strict";
for (const line of document.querySelectorAll("[data-counts]")) {
  const box = document.getElementById(line.dataset.counts);
  const say = () => {
    line.textContent = `${box.value.length.toLocaleString("en")} of ${box.maxLength.toLocaleString("en")} signs`;
  };
  box.addEventListener("input", say);
  say();
}
