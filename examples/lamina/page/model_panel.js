// SPDX-License-Identifier: Apache-2.0
// What the server runs: the model's schedule drawn layer by layer, with the time that each takes.
import { getJson, ServerError } from "./api.js";
import { bytesText, byId, element, toast } from "./dom.js";

/**
 * @typedef {{kind: string, layers: number, window: number, experts: number, bytes_per_token: number, flops_per_token: number,
 *   milliseconds: number|null}} Kind
 * @typedef {{layer: number, kind: string, kv_owner: number, milliseconds: number|null}} Layer
 * @typedef {{kinds: Kind[], layers: Layer[]}} Schedule
 */

/** @param {number|null} value */
const time = (value) => (typeof value === "number" ? `${value < 1 ? value.toPrecision(2) : value.toFixed(1)} ms` : "–");

/** @param {Kind} kind */
function letter(kind) {
  return (kind.kind.includes("global") ? "G" : "L") + (kind.experts > 0 ? "e" : "");
}

/** @param {Kind} kind */
function words(kind) {
  return [kind.kind.includes("global") ? "sees everything" : `sees ${kind.window} tokens`,
    kind.kind.startsWith("shared") ? "reads another layer's keys and values" : "",
    kind.experts > 0 ? `mixes ${kind.experts} experts` : ""].filter((word) => word !== "").join(", ");
}

/** @param {Schedule} schedule */
function cells(schedule) {
  const most = Math.max(...schedule.layers.map((layer) => layer.milliseconds ?? 0));
  return element("div", {
    class: "cells", role: "img",
    "aria-label": `${schedule.layers.length} layers: ${schedule.kinds.map((kind) => `${kind.layers} ${kind.kind}`).join(", ")}`,
  }, ...schedule.layers.map((layer) => {
    const index = schedule.kinds.findIndex((kind) => kind.kind === layer.kind);
    const kind = schedule.kinds[index];
    const shares = layer.kv_owner !== layer.layer;
    const bar = element("span", { class: "bar" });
    bar.style.height = most > 0 && layer.milliseconds ? `${Math.round((100 * layer.milliseconds) / most)}%` : "0";
    return element("span", {
      class: `cell kind-${index % 8}${shares ? " shares" : ""}`,
      title: `Layer ${layer.layer}: ${layer.kind}${shares ? `, keys and values of layer ${layer.kv_owner}` : ""}, ${time(layer.milliseconds)}`,
    }, bar, element("span", {}, letter(kind)));
  }));
}

/** @param {Schedule} schedule */
function table(schedule) {
  const all = schedule.kinds.reduce((sum, kind) => sum + (kind.milliseconds ?? 0) * kind.layers, 0);
  const head = ["Kind", "Layers", "Time of one", "Share", "Reads", "Computes"];
  return element("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Kinds of layers" },
    element("table", {}, element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...schedule.kinds.map((kind, index) => element("tr", {},
        element("th", { scope: "row" }, element("div", { class: "row" },
          element("span", { class: `cell small kind-${index % 8}${kind.kind.startsWith("shared") ? " shares" : ""}`, "aria-hidden": "true" }, letter(kind)),
          element("span", {}, kind.kind, element("small", {}, words(kind))))),
        element("td", {}, String(kind.layers)),
        element("td", {}, time(kind.milliseconds)),
        element("td", {}, all > 0 ? `${((100 * (kind.milliseconds ?? 0) * kind.layers) / all).toFixed(0)} %` : "–"),
        element("td", {}, bytesText(kind.bytes_per_token)),
        element("td", {}, `${(kind.flops_per_token / 1e6).toPrecision(3)} Mflop`))))));
}

/** @param {[string, string][]} facts */
function list(facts) {
  return element("dl", { class: "facts" }, ...facts.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/**
 * Opens the dialog and fills it with what the server says now.
 * @param {import("./status.js").Status} status
 */
export async function openModel(status) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("model"));
  const body = byId("model-body");
  if (body.childElementCount === 0) body.replaceChildren(element("p", {}, "Asking the server…"));
  dialog.showModal();
  try {
    await status.refresh();
    const { props, metrics } = status;
    if (!props) throw new ServerError("The server cannot be reached", "it says nothing of its model", 0);
    const facts = list([
      ["Model", String(props.model)],
      ["Layers", `${props.layers?.length} of width ${props.hidden}`],
      ["Vocabulary", `${props.vocab} tokens`],
      ["Context", `${props.context} tokens (the model: ${props.max_context})`],
      ["Answers at once", String(props.total_slots)],
      ["Weights", bytesText(Number(props.model_bytes))],
      ["Caches and workspace", bytesText(Number(props.engine_bytes))],
      ...(metrics ? /** @type {[string, string][]} */ ([
        ["Memory of the process", bytesText(metrics.resident_bytes)],
        ["Kept of what was read", bytesText(metrics.kept_bytes)],
        ["Tokens written", String(metrics.answer_tokens_total)],
      ]) : []),
      ["Version", String(props.build_info)],
    ]);
    body.replaceChildren(facts);
    /** @type {Schedule} */
    const schedule = await getJson("/schedule");
    body.replaceChildren(cells(schedule), element("p", { class: "hint" }, "One token's way through the layers, first to last: L local, "
      + "G global attention, e experts; dashed: reads another layer's keys and values. The bar is the layer's time, measured once "
      + "on short texts; reads and computes are those of a token at the end of a full context."),
    table(schedule), facts);
  } catch (cause) {
    if (!(cause instanceof ServerError)) throw cause;
    toast(`${cause.title}: ${cause.detail}`, "error");
  }
}
