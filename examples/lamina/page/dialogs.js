// SPDX-License-Identifier: Apache-2.0
// Questions to the user: yes or no, and a text.
import { byId, element } from "./dom.js";

/**
 * Asks in the dialog of questions; Escape and Cancel answer null.
 * @param {string} question
 * @param {string} word  on the button that says yes
 * @param {{value?: string, hint?: string, isSecret?: boolean, isDanger?: boolean}} [more]  `value`: a text is asked for
 * @returns {Promise<string|null>}
 */
export function ask(question, word, { value, hint, isSecret, isDanger } = {}) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("question"));
  const input = value === undefined ? null : /** @type {HTMLInputElement} */ (element("input", {
    value, type: isSecret ? "password" : "text", "aria-labelledby": "question-title", autocomplete: "off", dir: "auto", maxlength: 400,
  }));
  byId("question-title").textContent = question;
  byId("question-body").replaceChildren(...[input, hint ? element("p", { class: "hint" }, hint) : null].filter((part) => part !== null));
  const yes = byId("question-yes");
  yes.textContent = word;
  yes.className = isDanger ? "danger" : "primary";
  dialog.returnValue = "";
  dialog.showModal();
  input?.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input?.value ?? "" : null), { once: true });
  });
}

/** Makes the buttons of all dialogs close them, and a press beside one. */
export function wireDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (target === dialog || target.closest("[data-close]")) dialog.close();
    });
  }
}
