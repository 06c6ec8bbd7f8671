// SPDX-License-Identifier: Apache-2.0
// Elements of the page. Text becomes text nodes, never markup.
import { icon } from "./icons.js";

/**
 * Makes an element. Keys of `properties` that begin with "on" are listeners, "class", "data-…", "aria-…", "role" and the
 * like are attributes; true stands for an empty attribute, false and null leave it out.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) {
      made.addEventListener(key.slice(2), value);
    } else if (key === "value") {
      /** @type {HTMLInputElement} */ (made).value = value;
    } else {
      made.setAttribute(key, value === true ? "" : String(value));
    }
  }
  for (const child of children) if (child || child === "") made.append(child);
  return made;
}

/**
 * A button with a word on it, or a sign whose word is read out and shown on hovering.
 * @param {string} label
 * @param {(event: Event) => void} action
 * @param {{sign?: string, class?: string, [attribute: string]: any}} [more]
 */
export function button(label, action, { sign, ...more } = {}) {
  const named = sign ? { "aria-label": label, title: label } : {};
  return element("button", { type: "button", ...named, ...more, onclick: action },
    sign ? icon(sign) : label);
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

let announced = 0;

/**
 * Says a text to who listens to the page.
 * @param {string} text
 */
export function announce(text) {
  const region = byId("announcements");
  region.append(element("p", {}, text));
  announced += 1;
  if (announced > 40) region.firstElementChild?.remove();
}

/**
 * Shows a short note for a while.
 * @param {string} text
 * @param {"note"|"error"} [kind]
 */
export function toast(text, kind = "note") {
  const note = element("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status" }, text,
    button("Close this note", () => note.remove(), { sign: "close" }));
  byId("toasts").append(note);
  setTimeout(() => note.remove(), kind === "error" ? 12000 : 5000);
}

/**
 * @param {number} bytes
 * @returns {string} "12.3 MB"
 */
export function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit + 1 < units.length) {
    bytes /= 1000;
    unit += 1;
  }
  return `${bytes >= 100 || unit === 0 ? bytes.toFixed(0) : bytes.toPrecision(3)} ${units[unit]}`;
}

/**
 * Writes a text to the clipboard.
 * @param {string} text
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
    return true;
  } catch {
    toast("The browser does not let this page write to the clipboard.", "error");
    return false;
  }
}

/**
 * Hands a text to the user as a file.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
