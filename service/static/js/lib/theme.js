/** Dark or light: as the system has it until somebody says otherwise. */

import { byId } from "./dom.js";

const KEY = "can-ser-theme";

/** Wires the button; `onChange` is told whenever colours change. */
export function setUpTheme(onChange) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem(KEY);
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    const dark = chosen ? chosen === "dark" : system.matches;
    byId("theme").textContent = dark ? "Light" : "Dark";
    byId("theme").setAttribute("aria-label", dark ? "Switch to light colours" : "Switch to dark colours");
    onChange();
  };
  byId("theme").addEventListener("click", () => {
    const dark = byId("theme").textContent === "Light";
    localStorage.setItem(KEY, dark ? "light" : "dark");
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
