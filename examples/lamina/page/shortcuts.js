// SPDX-License-Identifier: Apache-2.0
// Keys: what they do, and the list that tells.
import { byId, element } from "./dom.js";

/** @typedef {{keys: string, words: string, code?: string, run?: () => void}} Shortcut */

/**
 * @param {Shortcut[]} shortcuts  with `code`: together with Alt
 * @param {() => boolean} escape  what Escape does where nothing else takes it; false: nothing
 */
export function wireShortcuts(shortcuts, escape) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const dialogIsOpen = document.querySelector("dialog[open]") !== null;
    if (event.key === "Escape" && !dialogIsOpen) {
      if (escape()) event.preventDefault();
      return;
    }
    // AltGr types letters.
    if (!event.altKey || event.ctrlKey || event.metaKey || event.getModifierState("AltGraph") || dialogIsOpen) return;
    const found = shortcuts.find((one) => one.code === event.code);
    if (!found?.run) return;
    event.preventDefault();
    found.run();
  });
  byId("shortcut-list").replaceChildren(...shortcuts.map((one) => element("div", {},
    element("dt", {}, ...one.keys.split("+").flatMap((key, i) => [i > 0 ? " + " : null, element("kbd", {}, key)])),
    element("dd", {}, one.words))));
}
