// SPDX-License-Identifier: Apache-2.0
// A model description as C++ source: the header of a variant that has exactly this structure, ready to
// include.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/schedule/description.hpp>

namespace lamina {

namespace detail {

/// Writes the pieces of one header. Layers that are equal share one alias; runs become nested Repeats.
class HeaderWriter {
 public:
  HeaderWriter(const ModelDescription& model, std::string_view name) : model_(model), name_(name) {}

  [[nodiscard]] std::string write() {
    collect();
    std::string out = "// SPDX-License-Identifier: Apache-2.0\n// ";
    out += name_;
    out += text(": %d layers, hidden width %d; written by `lamina plan --as-header`.", model_.layer_count,
                model_.hidden);
    out += "\n#pragma once\n\n#include <string_view>\n\n#include <lamina/schedule/variant.hpp>\n\nstruct ";
    out += type_name() + " {\n  static constexpr std::string_view name = \"" + std::string(name_) + "\";\n";
    out += text("  static constexpr lamina::Dims dims{.hidden = %d, .vocab = %d, .max_context = %d};",
                model_.hidden, model_.vocab, model_.max_context);
    out += "\n\n";
    for (const Named& attention : attentions_) out += alias_line(attention);
    for (const Named& ffn : ffns_) out += alias_line(ffn);
    if (model_.per_layer_input > 0) {
      out += alias_line({"PerLayer", std::string(text("lamina::PerLayerInput<%d>", model_.per_layer_input))});
    }
    for (const Named& kind : kinds_) out += alias_line(kind);
    out += "\n" + schedule() + "};\n";
    return out;
  }

 private:
  struct Named {
    std::string alias;
    std::string code;
  };

  // Lines are broken as the project's clang-format breaks them.
  [[nodiscard]] static std::string alias_line(const Named& named) {
    constexpr std::size_t longest = 110;
    const std::string head = "  using " + named.alias + " =";
    const std::string indent = "\n      ";
    const std::size_t size = named.code.size() + 1;
    if (head.size() + 1 + size <= longest) return head + " " + named.code + ";\n";
    if (indent.size() - 1 + size <= longest) return head + indent + named.code + ";\n";
    const std::size_t brace = named.code.find('{') + 1;
    return head + " " + named.code.substr(0, brace) + indent + named.code.substr(brace) + ";\n";
  }

  /// Alias of `code` in `list`, added under `base` (numbered from the second on) if it is new.
  static const std::string& alias_of(std::vector<Named>& list, const std::string& base, std::string code) {
    int same_base = 1;
    for (const Named& named : list) {
      if (named.code == code) return named.alias;
      if (named.alias.starts_with(base)) ++same_base;
    }
    list.push_back({same_base == 1 ? base : base + std::to_string(same_base), std::move(code)});
    return list.back().alias;
  }

  // "my-model 2" -> "MyModel2": a valid identifier, whatever the file calls itself.
  [[nodiscard]] std::string type_name() const {
    std::string type;
    bool upper = true;
    for (const char c : name_) {
      const bool lower_case = c >= 'a' && c <= 'z';
      const bool upper_case = c >= 'A' && c <= 'Z';
      const bool digit = c >= '0' && c <= '9';
      if (lower_case || upper_case || (digit && !type.empty())) {
        type += upper && lower_case ? static_cast<char>(c - 'a' + 'A') : c;
      }
      upper = !lower_case && !upper_case;
    }
    return type.empty() ? "MyModel" : type;
  }

  [[nodiscard]] static std::string shape(const LayerDescription& layer) {
    std::string code(text("lamina::AttnShape{.heads = %d, .kv_heads = %d, .head_dim = %d", layer.heads,
                          layer.kv_heads, layer.head_dim));
    if (layer.window > 0) code += text(", .window = %d", layer.window);
    if (layer.key_is_value) code += ", .key_is_value = true";
    return code + "}";
  }

  /// Alias of the attention kind that owns keys and values in this shape.
  const std::string& owner_alias(const LayerDescription& layer) {
    const bool local = layer.attention == AttentionClass::local;
    return alias_of(attentions_, local ? "Local" : "Global",
                    (local ? "lamina::LocalAttention<" : "lamina::GlobalAttention<") + shape(layer) + ">");
  }

  const std::string& ffn_alias(const LayerDescription& layer) {
    if (layer.experts == 0)
      return alias_of(ffns_, "Ffn", std::string(text("lamina::DenseFfn<%d>", layer.ffn_width)));
    return alias_of(
        ffns_, "Ffn",
        std::string(text("lamina::MoeFfn<lamina::MoeShape{.experts = %d, .active = %d, .expert_width = %d, "
                         ".shared_width = %d}>",
                         layer.experts, layer.active_experts, layer.expert_width, layer.ffn_width)));
  }

  void collect() {
    for (int i = 0; i < model_.layer_count; ++i) {
      const LayerDescription& layer = model_.layers[static_cast<std::size_t>(i)];
      std::string attention = owner_alias(layer);
      std::string base = layer.attention == AttentionClass::local ? "LocalLayer" : "GlobalLayer";
      if (!layer.owns_kv) {
        attention = "lamina::SharedKv<" + attention + ">";
        base = "Shared" + base;
      }
      std::string code = "lamina::Layer<" + attention + ", " + ffn_alias(layer);
      if (model_.per_layer_input > 0) code += ", PerLayer";
      code += ">";
      sequence_.push_back(alias_of(kinds_, base, std::move(code)));
    }
  }

  // Owners and readers (the layers from the first shared one on) get an alias each, as the published variants
  // have.
  [[nodiscard]] std::string schedule() const {
    std::size_t owners = 0;
    while (owners < sequence_.size() && model_.layers[owners].owns_kv) ++owners;
    const std::span<const std::string> all(sequence_);
    if (owners == all.size()) return "  using Layers = lamina::Schedule<" + compress(all, 0) + ">;\n";
    return "  using Owners = lamina::Schedule<" + compress(all.first(owners), 0) +
           ">;\n  using Readers = lamina::Schedule<" + compress(all.subspan(owners), 0) +
           ">;\n  using Layers = lamina::Schedule<Owners, Readers>;\n";
  }

  static constexpr int max_nesting = 3;

  /// Names separated by commas, with runs written as Repeat<count, ...>; nests at most `max_nesting` deep.
  [[nodiscard]] static std::string compress(std::span<const std::string> names, int depth) {
    std::string out;
    std::size_t at = 0;
    while (at < names.size()) {
      std::size_t best_period = 1, best_count = 1;
      // The run that covers most names; of equals the shortest period.
      for (std::size_t period = 1; depth < max_nesting && period <= (names.size() - at) / 2; ++period) {
        const std::size_t count = repeats(names.subspan(at), period);
        if (count > 1 && period * count > best_period * best_count) {
          best_period = period;
          best_count = count;
        }
      }
      if (!out.empty()) out += ", ";
      if (best_count == 1) {
        out += names[at];
      } else {
        out += "lamina::Repeat<" + std::to_string(best_count) + ", " +
               compress(names.subspan(at, best_period), depth + 1) + ">";
      }
      at += best_period * best_count;
    }
    return out;
  }

  /// How often the first `period` names repeat from the start.
  [[nodiscard]] static std::size_t repeats(std::span<const std::string> names, std::size_t period) {
    std::size_t same = period;
    while (same < names.size() && names[same] == names[same - period]) ++same;
    return same / period;
  }

  const ModelDescription& model_;
  std::string_view name_;
  std::vector<Named> attentions_, ffns_, kinds_;
  std::vector<std::string> sequence_;  // alias of each layer's kind
};

}  // namespace detail

/// Writes the C++ header of a variant with the structure of `model`; `name` becomes its name and type.
///
/// Requires  `name` holds letters, digits, '-', '_' and '.' only (see `header_name`)
[[nodiscard]] inline std::string as_header(const ModelDescription& model, std::string_view name) {
  return detail::HeaderWriter(model, name).write();
}

/// Makes a usable variant name from a file name: "/x/My Model.Q4_0.gguf" -> "My-Model.Q4_0".
[[nodiscard]] inline std::string header_name(std::string_view path) {
  const std::size_t slash = path.rfind('/', path.size() > 1 ? path.size() - 2 : 0);
  if (slash != std::string_view::npos && path.size() > 1) path.remove_prefix(slash + 1);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with(".gguf")) path.remove_suffix(5);
  std::string name;
  for (const char c : path) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    name += plain ? c : '-';
  }
  return name.empty() ? "my-model" : name;
}

}  // namespace lamina
