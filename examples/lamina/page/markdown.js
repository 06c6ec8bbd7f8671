// SPDX-License-Identifier: Apache-2.0
// Markdown as elements, block by block: what has not changed since the last time stays as it is.
import { button, copyText, element } from "./dom.js";
import { inlineParts } from "./inline.js";

// A model may write anything: no pattern may take more than linear time on a line.
const fence = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const heading = /^ {0,3}(#{1,6})\s(.*)$/s;
const rule = /^ {0,3}([-*_])\s*(?:\1\s*){2,}$/;
const item = /^(\s*)([-*+]|\d{1,9}[.)])(?:\s(.*)|)$/s;
const quote = /^ {0,3}> ?(.*)$/s;
const deepest = 6;

/**
 * @typedef {{kind: "code"|"heading"|"rule"|"list"|"quote"|"table"|"text", lines: string[], word: string}} Block
 */

/**
 * @param {string} line
 * @param {string|undefined} next
 * @returns {Block["kind"]|"blank"}
 */
function kindOf(line, next) {
  if (line.trim() === "") return "blank";
  if (fence.test(line)) return "code";
  if (heading.test(line)) return "heading";
  if (rule.test(line)) return "rule";
  if (item.test(line)) return "list";
  if (quote.test(line)) return "quote";
  if (line.includes("|") && next !== undefined && isTableRule(next)) return "table";
  return "text";
}

/** @param {string} line */
function isTableRule(line) {
  return line.includes("|") && cells(line).every((cell) => /^:?-+:?$/.test(cell));
}

/**
 * Cuts a text into blocks.
 * @param {string} text
 * @returns {Block[]}
 */
export function splitBlocks(text) {
  const lines = text.split("\n");
  /** @type {Block[]} */
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    const kind = kindOf(lines[at], lines[at + 1]);
    const begin = at;
    at += 1;
    if (kind === "blank") continue;
    let word = "";
    if (kind === "code") {
      const [, marks, name] = /** @type {RegExpExecArray} */ (fence.exec(lines[begin]));
      word = name.trim();
      while (at < lines.length && !isClosing(lines[at], marks)) at += 1;
      blocks.push({ kind, lines: lines.slice(begin + 1, at), word });
      at += 1;
      continue;
    }
    if (kind === "list") {
      while (at < lines.length && goesOnList(lines, at)) at += 1;
    } else if (kind === "quote" || kind === "table") {
      while (at < lines.length && (kind === "quote" ? quote.test(lines[at]) : lines[at].includes("|"))) at += 1;
    } else if (kind === "text") {
      while (at < lines.length && kindOf(lines[at], lines[at + 1]) === "text") at += 1;
    }
    blocks.push({ kind, lines: lines.slice(begin, at), word });
  }
  return blocks;
}

/** @param {string} line @param {string} marks */
function isClosing(line, marks) {
  const bare = line.trim();
  return bare.length >= marks.length && bare === marks[0].repeat(bare.length);
}

/** @param {string[]} lines @param {number} at */
function goesOnList(lines, at) {
  const line = lines[at];
  if (item.test(line) && !rule.test(line)) return true;
  if (line.trim() !== "") return /^\s{2,}/.test(line) || kindOf(line, undefined) === "text" && lines[at - 1].trim() !== "";
  const next = lines[at + 1];
  return next !== undefined && (item.test(next) && !rule.test(next) || /^\s{2,}\S/.test(next));
}

/** @param {string[]} lines @param {number} depth */
function listElement(lines, depth) {
  const [, indent, sign] = /** @type {RegExpExecArray} */ (item.exec(lines[0]));
  const isOrdered = /\d/.test(sign);
  const list = element(isOrdered ? "ol" : "ul", isOrdered && sign.slice(0, -1) !== "1" ? { start: sign.slice(0, -1) } : {});
  /** @type {string[][]} */
  const items = [];
  for (const line of lines) {
    const found = item.exec(line);
    if (found && found[1].length <= indent.length + 1) items.push([(found[3] ?? "").trimStart()]);
    else items[items.length - 1].push(line.replace(/^\s{1,4}/, ""));
  }
  for (const own of items) {
    const box = /^\[([ xX])\]\s(.*)$/s.exec(own[0]);
    if (box) own[0] = `${box[1] === " " ? "☐" : "☑"} ${box[2]}`;
    list.append(element("li", { dir: "auto" }, ...itemParts(own, depth)));
  }
  return list;
}

/** @param {string[]} lines @param {number} depth */
function itemParts(lines, depth) {
  const blocks = splitBlocks(lines.join("\n"));
  if (depth >= deepest) return [lines.join("\n")];
  if (blocks.length === 0) return [];
  // The words of an item stand without a paragraph of their own.
  const [first, ...rest] = blocks;
  const begin = first.kind === "text" ? inlineParts(first.lines.join("\n")) : [blockElement(first, depth + 1)];
  return [...begin, ...rest.map((block) => blockElement(block, depth + 1))];
}

/** @param {string} line */
function cells(line) {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {string[]} lines */
function tableElement(lines) {
  const row = (/** @type {string} */ line, /** @type {string} */ tag) =>
    element("tr", {}, ...cells(line).map((cell) => element(tag, { dir: "auto" }, ...inlineParts(cell))));
  return element("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Table" },
    element("table", {}, element("thead", {}, row(lines[0], "th")),
      element("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")))));
}

/** @param {Block} block */
function codeElement(block) {
  const code = block.lines.join("\n");
  const name = block.word.split(/\s/, 1)[0].slice(0, 40);
  return element("figure", { class: "code" },
    element("figcaption", {}, element("span", {}, name || "text"),
      button("Copy", () => copyText(code), { "aria-label": `Copy this block of ${name || "text"}` })),
    element("pre", { tabindex: "0", dir: "ltr", "aria-label": `Code, ${name || "text"}` }, element("code", {}, code)));
}

/**
 * @param {Block} block
 * @param {number} depth
 * @returns {HTMLElement}
 */
function blockElement(block, depth) {
  const text = block.lines.join("\n");
  if (block.kind === "code") return codeElement(block);
  if (block.kind === "rule") return element("hr");
  if (block.kind === "list" && depth < deepest) return listElement(block.lines, depth);
  if (block.kind === "table" && block.lines.length > 1) return tableElement(block.lines);
  if (block.kind === "quote" && depth < deepest) {
    const inner = block.lines.map((line) => quote.exec(line)?.[1] ?? line).join("\n");
    return element("blockquote", { dir: "auto" }, ...splitBlocks(inner).map((one) => blockElement(one, depth + 1)));
  }
  if (block.kind === "heading") {
    const [, marks, words] = /** @type {RegExpExecArray} */ (heading.exec(text));
    // The page's own headings are above those of a message.
    return element(`h${Math.min(6, marks.length + 2)}`, { dir: "auto" }, ...inlineParts(words.trim()));
  }
  return element("p", { dir: "auto" }, ...inlineParts(text));
}

/** @type {WeakMap<Element, string[]>} sources of the blocks that an element shows */
const shown = new WeakMap();

/**
 * Shows a text; blocks that it showed before stay.
 * @param {Element} target
 * @param {string} text
 */
export function renderMarkdown(target, text) {
  const blocks = splitBlocks(text);
  const sources = blocks.map((block) => `${block.kind}\0${block.word}\0${block.lines.join("\n")}`);
  const before = shown.get(target) ?? [];
  let same = 0;
  while (same < sources.length && sources[same] === before[same]) same += 1;
  while (target.childElementCount > same) target.lastElementChild?.remove();
  target.append(...blocks.slice(same).map((block) => blockElement(block, 0)));
  shown.set(target, sources);
}
