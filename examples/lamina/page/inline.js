// SPDX-License-Identifier: Apache-2.0
// Markdown within a line: code, emphasis, links. Linear in the length of the text, and never markup of its own.
import { element } from "./dom.js";

const tags = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" };
const deepest = 12;

/** @param {string|undefined} letter */
const isBlank = (letter) => letter === undefined || /\s/.test(letter);
/** @param {string|undefined} letter */
const isWord = (letter) => letter !== undefined && /[\p{L}\p{N}]/u.test(letter);

/**
 * The address of a link, if it is one that may be followed.
 * @param {string} text
 * @returns {string|null}
 */
export function safeUrl(text) {
  if (!/^(https?:\/\/|mailto:)/i.test(text)) return null;
  try {
    return new URL(text).href;
  } catch {
    return null;
  }
}

/**
 * @param {string} url
 * @param {(Node|string)[]} words
 */
function link(url, words) {
  return element("a", { href: url, title: url, target: "_blank", rel: "noopener noreferrer nofollow" }, ...words);
}

/** Children that are being gathered, within elements that are open. */
class Gatherer {
  constructor() {
    /** @type {{mark: string, parts: (Node|string)[]}[]} */
    this.levels = [{ mark: "", parts: [] }];
  }
  get top() {
    return this.levels[this.levels.length - 1];
  }
  /** @param {Node|string} part */
  add(part) {
    const { parts } = this.top;
    if (typeof part === "string" && typeof parts[parts.length - 1] === "string") parts[parts.length - 1] += part;
    else parts.push(part);
  }
  /** @param {string} mark */
  open(mark) {
    if (this.levels.length > deepest) this.add(mark);
    else this.levels.push({ mark, parts: [] });
  }
  /** @param {string} mark @returns {boolean} whether it was open */
  close(mark) {
    let at = this.levels.length - 1;
    while (at > 0 && this.levels[at].mark !== mark) at -= 1;
    if (at === 0) return false;
    while (this.levels.length - 1 > at) this.flatten();
    const { parts } = /** @type {{mark: string, parts: (Node|string)[]}} */ (this.levels.pop());
    this.add(element(tags[mark], {}, ...parts));
    return true;
  }
  /** The innermost element was none: its mark is text. */
  flatten() {
    const { mark, parts } = /** @type {{mark: string, parts: (Node|string)[]}} */ (this.levels.pop());
    this.add(mark);
    for (const part of parts) this.add(part);
  }
  finish() {
    while (this.levels.length > 1) this.flatten();
    return this.top.parts;
  }
}

/**
 * What a line holds.
 * @param {string} text
 * @param {boolean} [mayLink]
 * @returns {(Node|string)[]}
 */
export function inlineParts(text, mayLink = true) {
  const out = new Gatherer();
  /** @type {Set<number>} lengths of backtick runs that nothing closes any more */
  const unclosed = new Set();
  let nextBracket = -2;  // place of the next "](", -1 when there is none any more
  const marks = /`+|\*\*|__|~~|\*|_|\\|\[|https?:\/\/[^\s<>"'`\u0000-\u001f]+|\n/gy;
  const plain = /(?:(?!https?:\/\/)[^`*_~\\\[\n])+/gy;
  for (let at = 0; at < text.length;) {
    plain.lastIndex = at;
    const run = plain.exec(text);
    if (run) {
      out.add(run[0]);
      at += run[0].length;
      continue;
    }
    marks.lastIndex = at;
    const mark = marks.exec(text)?.[0] ?? text[at];
    const after = text[at + mark.length];
    if (mark[0] === "`") {
      const end = unclosed.has(mark.length) ? -1 : closingRun(text, at + mark.length, mark.length);
      if (end >= 0) {
        const code = text.slice(at + mark.length, end);
        out.add(element("code", {}, code.length > 2 && /^ .* $/s.test(code) ? code.slice(1, -1) : code));
        at = end + mark.length;
        continue;
      }
      unclosed.add(mark.length);
      out.add(mark);
    } else if (mark === "\\") {
      const escaped = after !== undefined && /[!-/:-@[-`{-~]/.test(after);
      out.add(escaped ? after : "\\");
      at += escaped ? 1 : 0;
    } else if (mark === "\n") {
      out.add(element("br"));
    } else if (mark === "[") {
      if (nextBracket !== -1 && nextBracket < at) nextBracket = text.indexOf("](", at);
      const found = mayLink && nextBracket >= 0 ? linkAt(text, at, nextBracket) : null;
      if (found) {
        out.add(found.made);
        at = found.end;
        continue;
      }
      out.add("[");
    } else if (mark.startsWith("http")) {
      const address = withoutStops(mark);
      const url = mayLink ? safeUrl(address) : null;
      out.add(url ? link(url, [address]) : address);
      at += address.length;
      continue;
    } else if (tags[mark]) {
      const before = text[at - 1];
      const mayClose = !isBlank(before) && !(mark[0] === "_" && isWord(after));
      const mayOpen = !isBlank(after) && !(mark[0] === "_" && isWord(before));
      if (!(mayClose && out.close(mark))) {
        if (mayOpen) out.open(mark);
        else out.add(mark);
      }
    } else {
      out.add(mark);
    }
    at += mark.length;
  }
  return out.finish();
}

/** @param {string} address  followed by what ends a sentence, perhaps */
function withoutStops(address) {
  let end = address.length;
  while (".,;:!?)]*_".includes(address[end - 1])) end -= 1;
  return address.slice(0, end);
}

/**
 * Where exactly `length` backticks stand next; -1 if nowhere.
 * @param {string} text @param {number} from @param {number} length
 */
function closingRun(text, from, length) {
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let run = runs.exec(text); run; run = runs.exec(text)) if (run[0].length === length) return run.index;
  return -1;
}

/**
 * [words](address) at `at`, whose words end at `close`.
 * @param {string} text @param {number} at @param {number} close
 */
function linkAt(text, at, close) {
  const words = text.slice(at + 1, close);
  if (words.length > 500 || words.includes("[") || words.includes("\n")) return null;
  const length = text.slice(close, close + 2000).indexOf(")");
  if (length < 0) return null;
  const end = close + length;
  const url = safeUrl(text.slice(close + 2, end).trim().split(/\s/, 1)[0]);
  return url ? { made: link(url, inlineParts(words, false)), end: end + 1 } : null;
}
