// SPDX-License-Identifier: Apache-2.0
// Settings of answers and of the page: what they are, their form, where they are kept.
import { byId, element } from "./dom.js";
import { apiKey, keep, recall, setApiKey } from "./store.js";

/**
 * @typedef {object} Settings
 * @property {string} temperature  numbers are texts: empty leaves them to the server
 * @property {string} top_p
 * @property {string} top_k
 * @property {string} max_tokens
 * @property {string} seed
 * @property {string} system
 * @property {string} schema
 * @property {boolean} thinking
 * @property {"system"|"light"|"dark"} theme
 * @property {{name: string, description: string, parameters: string}[]} tools
 */

/** @type {Settings} */
const defaults = {
  temperature: "", top_p: "", top_k: "", max_tokens: "", seed: "", system: "", schema: "", thinking: false, theme: "system",
  tools: [],
};

/** @type {Settings} */
export const settings = { ...defaults, ...recall("settings") };
if (!Array.isArray(settings.tools)) settings.tools = [];

/** @type {(() => void)[]} */
const listeners = [];

/** @param {() => void} changed */
export function onSettings(changed) {
  listeners.push(changed);
}

/** @param {Partial<Settings>} some */
export function changeSettings(some) {
  Object.assign(settings, some);
  keep("settings", settings);
  for (const changed of listeners) changed();
}

/** @type {[keyof Settings, string, string, Record<string, any>][]} name, label, hint, attributes */
const numbers = [
  ["temperature", "Temperature", "0: always the likeliest token", { min: 0, max: 100, step: "any" }],
  ["top_p", "Top-p", "share of probability that is drawn from", { min: 0, max: 1, step: "any" }],
  ["top_k", "Top-k", "tokens that are drawn from; 0: all", { min: 0, step: 1 }],
  ["max_tokens", "Most tokens", "of an answer, thoughts included", { min: 1, step: 1 }],
  ["seed", "Seed", "empty: another one each time; set: the same answer again", { step: 1 }],
];

/**
 * A text that is JSON of an object, or empty.
 * @param {string} text
 * @returns {string} what is wrong; empty if nothing
 */
export function objectFault(text) {
  if (text.trim() === "") return "";
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? "" : "This must be a JSON object.";
  } catch (cause) {
    return `This is no JSON: ${cause instanceof Error ? cause.message : cause}`;
  }
}

/**
 * A field with its label and hint.
 * @param {HTMLElement} input
 * @param {string} label
 * @param {string} hint
 */
export function field(input, label, hint) {
  const id = input.id;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return element("div", { class: "field" }, element("label", { for: id }, label), input,
    hint ? element("small", { id: `${id}-hint` }, hint) : null);
}

/**
 * Checks a text area as JSON while one types, and says what is wrong below it.
 * @param {HTMLTextAreaElement} area
 */
export function checkJson(area) {
  const fault = objectFault(area.value);
  area.setCustomValidity(fault);
  const hint = document.getElementById(`${area.id}-hint`);
  if (hint) {
    hint.dataset.says ??= hint.textContent ?? "";
    hint.textContent = fault || hint.dataset.says;
    hint.classList.toggle("fault", fault !== "");
  }
  return fault === "";
}

/** Builds the dialog's form once, and fills it each time that it opens. */
export function openSettings() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("settings"));
  const form = byId("settings-fields");
  const isNew = form.childElementCount === 0;
  if (isNew) {
    form.append(...numbers.map(([name, label, hint, more]) =>
      field(element("input", { id: `set-${name}`, type: "number", inputmode: "decimal", placeholder: "as the server has it", ...more }),
        label, hint)));
    form.append(
      field(element("textarea", { id: "set-system", rows: 3, dir: "auto" }), "System text", "comes before every conversation"),
      field(element("textarea", { id: "set-schema", rows: 3, class: "mono", spellcheck: "false" }), "JSON Schema",
        "answers are JSON that fits it; empty: free text"),
      field(element("select", { id: "set-theme" }, element("option", { value: "system" }, "As the system"),
        element("option", { value: "light" }, "Light"), element("option", { value: "dark" }, "Dark")), "Colours", ""),
      field(element("input", { id: "set-key", type: "password", autocomplete: "off" }), "API key",
        "only if the server was started with one; forgotten when this tab closes"));
    form.addEventListener("input", takeSettings);
  }
  for (const name of [...numbers.map(([one]) => one), "system", "schema", "theme"])
    byId(`set-${name}`).value = settings[name];
  byId("set-key").value = apiKey();
  checkJson(byId("set-schema"));
  dialog.showModal();
}

function takeSettings() {
  const taken = {};
  for (const [name] of numbers) {
    const input = byId(`set-${name}`);
    if (input.validity.valid) taken[name] = input.value;
    input.setAttribute("aria-invalid", String(!input.validity.valid));
  }
  taken.system = byId("set-system").value;
  taken.theme = byId("set-theme").value;
  if (checkJson(byId("set-schema"))) taken.schema = byId("set-schema").value;
  setApiKey(byId("set-key").value.trim());
  changeSettings(taken);
}

/** Applies what is set to the page. */
export function applyTheme() {
  const root = document.documentElement;
  if (settings.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = settings.theme;
}

/** The other theme than the one that is seen. */
export function switchTheme() {
  const seen = settings.theme === "system"
    ? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light") : settings.theme;
  changeSettings({ theme: seen === "dark" ? "light" : "dark" });
}
