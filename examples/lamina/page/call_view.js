// SPDX-License-Identifier: Apache-2.0
// Calls of tools, and the form in which the user gives their results.
import { button, element } from "./dom.js";

/**
 * @typedef {import("./tree.js").Call} Call
 * @typedef {import("./tree.js").CallResult} CallResult
 */

/** @param {string} text */
function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {Call} call */
export function callElement(call) {
  return element("div", { class: "call" },
    element("div", { class: "call-name" }, "Calls ", element("code", { dir: "ltr" }, call.name || "…")),
    element("pre", { tabindex: "0", dir: "ltr", "aria-label": `Arguments of ${call.name}` }, prettyJson(call.arguments)));
}

/** @param {CallResult} result */
export function resultElement(result) {
  return element("div", { class: "call" },
    element("div", { class: "call-name" }, "Result of ", element("code", { dir: "ltr" }, result.name)),
    element("pre", { tabindex: "0", dir: "auto", "aria-label": `Result of ${result.name}` }, result.text));
}

/**
 * One field for each call.
 * @param {{id: string, name: string}[]} calls
 * @param {string[]} texts  what stands in the fields
 * @param {(results: CallResult[]) => void} send
 * @param {(() => void)|null} cancel
 */
export function resultForm(calls, texts, send, cancel) {
  const areas = calls.map((call, i) => element("textarea", {
    rows: 2, class: "mono", dir: "auto", value: texts[i] ?? "", "aria-label": `Result of ${call.name}`,
    placeholder: `What ${call.name} gives: text or JSON`,
  }));
  const submit = () => send(calls.map((call, i) =>
    ({ id: call.id, name: call.name, text: /** @type {HTMLTextAreaElement} */ (areas[i]).value })));
  const form = element("form", {
    class: "results-form",
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      submit();
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        if (event.target instanceof HTMLButtonElement) return;
        event.preventDefault();
        submit();
      } else if (event.key === "Escape" && cancel) {
        event.stopPropagation();
        cancel();
      }
    },
  },
  ...areas.map((area, i) => element("div", { class: "field" }, element("span", { class: "label", "aria-hidden": "true" }, `Result of ${calls[i].name}`), area)),
  element("div", { class: "row" }, element("button", { type: "submit", class: "primary" }, "Send results"),
    cancel ? button("Cancel", cancel) : null));
  return form;
}
