// SPDX-License-Identifier: Apache-2.0
// Tools that the model may call: declared by hand; the user gives their results.
import { button, byId, element } from "./dom.js";
import { changeSettings, checkJson, field, settings } from "./settings.js";

const example = {
  name: "get_weather",
  description: "Tells the weather of a city",
  parameters: JSON.stringify({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }, null, 2),
};

/** Tools as requests declare them. */
export function declaredTools() {
  return settings.tools.filter((tool) => tool.name !== "").map((tool) => ({
    type: "function",
    function: {
      name: tool.name,
      strict: true,
      description: tool.description,
      parameters: tool.parameters.trim() === "" ? { type: "object", properties: {} } : JSON.parse(tool.parameters),
    },
  }));
}

/** @param {typeof example} tool @param {number} index */
function toolFields(tool, index) {
  const change = (/** @type {keyof typeof example} */ key) => (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (!input.validity.valid && key === "name") return;
    if (input instanceof HTMLTextAreaElement && !checkJson(input)) return;
    tool[key] = input.value;
    changeSettings({ tools: settings.tools });
  };
  const remove = () => {
    settings.tools.splice(index, 1);
    changeSettings({ tools: settings.tools });
    showTools();
    byId("add-tool").focus();
  };
  return element("fieldset", {}, element("legend", {}, `Tool ${index + 1}`),
    field(element("input", { id: `tool-${index}-name`, value: tool.name, pattern: "[A-Za-z0-9_.\\-]{1,128}", oninput: change("name"),
      autocomplete: "off", spellcheck: "false" }), "Name", "letters, digits, _ - ."),
    field(element("input", { id: `tool-${index}-description`, value: tool.description, oninput: change("description"), dir: "auto" }),
      "Description", "what it does, for the model"),
    field(element("textarea", { id: `tool-${index}-parameters`, rows: 5, class: "mono", spellcheck: "false", value: tool.parameters,
      oninput: change("parameters") }), "Parameters", "JSON Schema of an object; calls always fit it"),
    button("Remove this tool", remove, { class: "danger" }));
}

function showTools() {
  byId("tool-fields").replaceChildren(...settings.tools.map(toolFields));
}

/** Opens the dialog of tools. */
export function openTools() {
  showTools();
  /** @type {HTMLDialogElement} */ (byId("tools")).showModal();
}

/** Adds one to fill in: the first is an example. */
export function addTool() {
  const index = settings.tools.length;
  const isTaken = settings.tools.some((tool) => tool.name === example.name);
  settings.tools.push(isTaken ? { name: `tool_${index + 1}`, description: "", parameters: "" } : { ...example });
  changeSettings({ tools: settings.tools });
  showTools();
  byId(`tool-${index}-name`).focus();
}
