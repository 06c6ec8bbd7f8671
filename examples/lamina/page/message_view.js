// SPDX-License-Identifier: Apache-2.0
// One message on the page: its words, thoughts, calls, media, and what can be done with it.
import { speedText } from "./answer.js";
import { callElement, resultElement, resultForm } from "./call_view.js";
import { button, copyText, element } from "./dom.js";
import { renderMarkdown } from "./markdown.js";

/** @typedef {import("./tree.js").Node} Node */

/**
 * What messages ask for.
 * @typedef {object} Actions
 * @property {(node: Node) => void} regenerate
 * @property {(node: Node, text: string) => void} edit
 * @property {(node: Node, step: number) => void} step
 * @property {(node: Node, results: import("./tree.js").CallResult[]) => void} giveResults
 */

const names = { user: "You", assistant: "Model", results: "Results of tools" };
const endings = { stopped: "Stopped.", length: "Cut off: the limit of tokens or the context was reached." };

/** @param {import("./tree.js").Attachment} attachment */
export function mediaElement(attachment) {
  if (attachment.kind === "image") return element("img", { src: attachment.url, alt: attachment.name });
  return element("audio", { src: attachment.url, controls: true, "aria-label": attachment.name });
}

export class MessageView {
  /**
   * @param {Node} node
   * @param {Actions} actions
   */
  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    this.branch = element("div", { class: "branch", role: "group" });
    this.thought = element("div", { class: "markdown" });
    this.thoughtTitle = element("summary", {}, "Thoughts");
    this.fold = element("details", { class: "thought", hidden: true }, this.thoughtTitle, this.thought);
    this.media = element("div", { class: "media" }, ...(node.media ?? []).map(mediaElement));
    this.body = element("div", { class: node.role === "assistant" ? "markdown" : "plain", dir: "auto" });
    this.calls = element("div", { class: "calls" });
    this.state = element("div", { class: "state" });
    this.speed = element("span", { class: "speed" });
    this.buttons = element("div", { class: "row actions", role: "group", "aria-label": "What can be done with this message" });
    this.root = element("li", { class: `message ${node.role}`, "data-id": node.id, tabindex: "-1" },
      element("header", {}, element("h2", {}, names[node.role]), this.branch),
      this.fold, this.media, this.body, this.calls, this.state,
      element("footer", {}, this.buttons, this.speed));
    this.shownCalls = "";
    this.isEditing = false;
    this.addButtons();
  }

  addButtons() {
    const { node, actions } = this;
    if (node.role !== "results") this.buttons.append(button("Copy", () => copyText(node.text), { sign: "copy" }));
    if (node.role !== "assistant") this.buttons.append(button("Edit", () => this.beginEdit(), { sign: "edit", class: "edit" }));
    if (node.role === "assistant")
      this.buttons.append(button("Regenerate", () => actions.regenerate(node), { sign: "again", class: "regenerate" }));
  }

  /**
   * Shows what the message is now.
   * @param {{index: number, count: number}} place  among its siblings
   * @param {boolean} isLast  of those that are shown
   * @param {boolean} isBusy  an answer is on its way
   */
  update(place, isLast, isBusy) {
    const { node } = this;
    this.isLast = isLast;
    this.root.setAttribute("aria-label",
      names[node.role] + (place.count > 1 ? `, branch ${place.index + 1} of ${place.count}` : ""));
    this.showBranch(place, isBusy);
    this.showText();
    for (const one of this.buttons.querySelectorAll(".edit, .regenerate"))
      /** @type {HTMLButtonElement} */ (one).disabled = isBusy;
    this.buttons.hidden = node.status === "streaming" || this.isEditing;
    this.showCalls();
    this.showState();
  }

  /** @param {{index: number, count: number}} place @param {boolean} isBusy */
  showBranch({ index, count }, isBusy) {
    const key = `${index}/${count}/${isBusy}`;
    if (this.branch.dataset.key === key) return;
    const focused = this.branch.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null;
    this.branch.dataset.key = key;
    this.branch.hidden = count < 2;
    this.branch.setAttribute("aria-label", `Branch ${index + 1} of ${count}`);
    const step = (/** @type {number} */ by) => () => this.actions.step(this.node, by);
    this.branch.replaceChildren(
      button("Previous branch", step(-1), { sign: "left", disabled: index === 0 || isBusy }),
      element("span", {}, `${index + 1}/${count}`),
      button("Next branch", step(1), { sign: "right", disabled: index + 1 === count || isBusy }));
    if (focused) this.branch.querySelector(`[aria-label="${CSS.escape(focused)}"]:enabled`)?.focus();
  }

  /** The words alone: what changes while an answer comes. */
  showText() {
    const { node } = this;
    if (this.isEditing) return;
    this.fold.hidden = !node.thought;
    if (node.thought) {
      renderMarkdown(this.thought, node.thought);
      const tokens = node.usage?.completion_tokens_details?.reasoning_tokens;
      const isThinking = node.status === "streaming" && node.text === "" && !node.calls?.length;
      this.thoughtTitle.textContent = isThinking ? "Thinking…" : tokens ? `Thoughts (${tokens} tokens)` : "Thoughts";
    }
    if (node.role === "assistant") renderMarkdown(this.body, node.text);
    else if (node.role === "user") this.body.textContent = node.text;
    else this.body.replaceChildren(...(node.results ?? []).map(resultElement));
  }

  showCalls() {
    const { node } = this;
    if (node.role !== "assistant") return;
    const calls = node.calls ?? [];
    const asks = calls.length > 0 && this.isLast && node.status !== "streaming" && node.status !== "error";
    const key = JSON.stringify([calls, asks]);
    if (key === this.shownCalls) return;
    this.shownCalls = key;
    const form = asks ? resultForm(calls, [], (results) => this.actions.giveResults(node, results), null) : null;
    this.calls.replaceChildren(...calls.map(callElement), ...(form ? [form] : []));
  }

  showState() {
    const { node } = this;
    const isEmpty = !node.text && !node.calls?.length && !node.thought;
    this.root.classList.toggle("streaming", node.status === "streaming");
    this.root.setAttribute("aria-busy", String(node.status === "streaming"));
    this.speed.textContent = node.status === "streaming" ? "" : speedText(node);
    if (node.status === "error" && node.error) {
      if (this.state.dataset.key === node.error.detail) return;
      this.state.dataset.key = node.error.detail;
      this.state.replaceChildren(element("div", { class: "error", role: "alert" },
        element("strong", {}, `${node.error.title}. `), element("span", { dir: "auto" }, node.error.detail),
        button("Try again", () => this.actions.regenerate(node), { class: "retry" })));
      return;
    }
    delete this.state.dataset.key;
    const words = endings[node.status ?? ""] ?? (node.status === "done" && isEmpty && node.role === "assistant" ? "An empty answer." : "");
    this.state.replaceChildren(...(words ? [element("p", { class: "ending" }, words)] : []));
  }

  /** What happens while no word has come yet. @param {string} words */
  showProgress(words) {
    if (this.state.textContent !== words) this.state.replaceChildren(element("p", { class: "ending" }, words));
  }

  beginEdit() {
    if (this.isEditing) return;
    this.isEditing = true;
    this.buttons.hidden = true;
    const { node } = this;
    if (node.role === "results") {
      const results = node.results ?? [];
      const done = (/** @type {any} */ changed) => {
        this.endEdit();
        if (changed) this.actions.giveResults(node, changed);
      };
      const form = resultForm(results, results.map((result) => result.text), done, () => done(null));
      this.body.replaceChildren(form);
      form.querySelector("textarea")?.focus();
      return;
    }
    const area = /** @type {HTMLTextAreaElement} */ (element("textarea", {
      dir: "auto", rows: Math.min(12, node.text.split("\n").length + 1), value: node.text, "aria-label": "Edit your message",
    }));
    const send = () => {
      const text = area.value;
      this.endEdit();
      this.actions.edit(node, text);
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      } else if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        this.endEdit();
        this.buttons.querySelector("button.edit")?.focus();
      }
    });
    this.body.replaceChildren(element("div", { class: "editor" }, area,
      element("div", { class: "row" }, button("Send as a new branch", send, { class: "primary" }),
        button("Cancel", () => this.endEdit()))));
    area.focus();
  }

  endEdit() {
    this.isEditing = false;
    this.buttons.hidden = false;
    this.body.replaceChildren();
    this.showText();
  }
}
