// SPDX-License-Identifier: Apache-2.0
// The line of numbers: the model, tokens a second, context used, memory; and what the server said of itself.
import { getJson, getMetrics, ServerError } from "./api.js";
import { bytesText, byId } from "./dom.js";

export class Status {
  constructor() {
    /** @type {any} */
    this.props = null;
    /** @type {Record<string, number>|null} */
    this.metrics = null;
    this.needsKey = false;
  }

  /** Asks the server again. */
  async refresh() {
    try {
      this.props = await getJson("/props");
      this.metrics = await getMetrics().catch(() => null);
      this.needsKey = false;
      this.show(`${this.props.model}`, true);
    } catch (cause) {
      this.needsKey = cause instanceof ServerError && cause.status === 401;
      this.show(this.needsKey ? "The server asks for a key" : "No server", false);
    }
    byId("memory").textContent = this.metrics ? bytesText(this.metrics.resident_bytes) : "–";
  }

  /** @param {string} words @param {boolean} isThere */
  show(words, isThere) {
    byId("model-name").textContent = words;
    document.body.classList.toggle("offline", !isThere);
    byId("key").hidden = !this.needsKey;
  }

  /** The numbers of the last answer that is shown. @param {import("./tree.js").Node[]} path */
  showPath(path) {
    const last = path.filter((node) => node.usage).pop();
    const used = last ? Number(last.usage?.total_tokens) : 0;
    const all = Number(this.props?.context ?? 0);
    const speed = Number(last?.timings?.predicted_per_second ?? 0);
    byId("speed").textContent = speed > 0 ? `${speed.toFixed(1)} tokens/s` : "–";
    byId("context").textContent = all > 0 ? `${used} of ${all}` : "–";
    const meter = /** @type {HTMLMeterElement} */ (byId("context-meter"));
    meter.max = Math.max(1, all);
    meter.high = meter.max * 0.85;
    meter.value = used;
    // Empty text reads as nothing; the numbers stand beside it.
    meter.textContent = `${used} of ${all}`;
  }
}
