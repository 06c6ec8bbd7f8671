// SPDX-License-Identifier: Apache-2.0
// The rotation that a config.json asks for, in today's keys and in older ones: applied or refused, never
// ignored. Source: text-decoder.md §1.2, §2.4.1; weight-files.md §6.5.
#pragma once

#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/json/json.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/core/file_error.hpp>

namespace lamina::detail {

/// The keys of a configuration that say how queries and keys are rotated.
inline constexpr std::string_view rope_keys[] = {"rope_parameters", "rope_scaling", "rope_theta",
                                                 "rope_local_base_freq", "partial_rotary_factor"};

/// Reads the rotation of both kinds of layers; what is stated twice must be the same.
class RopeReader {
 public:
  RopeReader(const JsonObject& root, const JsonObject& text_config) : root_(root), text_(text_config) {}

  /// Errors   unsupported (a rotation that no layer kind computes, a rotation key that is not known), bad_file
  ///          (a wrong type, statements that differ); names the key
  [[nodiscard]] Status read(ModelDescription& model) {
    LAMINA_TRY(refuse_unknown(root_));
    LAMINA_TRY(refuse_unknown(text_));
    const auto part = text_.real("partial_rotary_factor");
    if (!part) return part.error();
    if (*part && **part != proportional_part) {
      return refusal(text_, "partial_rotary_factor", text("%g", double{proportional_part}),
                     text("%g", double{**part}));
    }
    has_part_ = part->has_value();
    const auto parameters = text_.object("rope_parameters");
    if (!parameters) return parameters.error();
    if (parameters->node() != nullptr) LAMINA_TRY(read_kinds(*parameters));
    LAMINA_TRY(read_scaling());
    LAMINA_TRY(read_base(text_, "rope_theta", global_base_));
    LAMINA_TRY(read_base(text_, "rope_local_base_freq", local_base_));
    // Where the file is silent the published values stay, which ModelDescription has.
    model.rope_base_local = local_base_.value_or(model.rope_base_local);
    model.rope_base_global = global_base_.value_or(model.rope_base_global);
    return Done{};
  }

 private:
  static constexpr float proportional_part = 0.25F;

  [[nodiscard]] static Error refusal(const JsonObject& object, std::string_view key,
                                     std::string_view expected, std::string_view found) {
    return file_error(ErrorCode::unsupported, object.where(key), "rotation is not supported", expected,
                      found);
  }

  /// A key of another version that seems to be about rotation would change the mathematics: it is no extra.
  [[nodiscard]] static Status refuse_unknown(const JsonObject& part) {
    for (const auto& [key, value] : part.node()->items()) {
      const std::string_view name = key;
      const bool is_about_rotation =
          name.starts_with("rope") || name.find("_rope") != name.npos || name.find("rotary") != name.npos;
      bool known = !is_about_rotation || !JsonObject::says_something(&value);
      for (const std::string_view each : rope_keys) known = known || name == each;
      if (!known) return refusal(part, name, "rope_parameters", name);
    }
    return Done{};
  }

  /// Reads an object that has one rotation for each kind of layer.
  [[nodiscard]] Status read_kinds(const JsonObject& all) {
    for (const auto& [key, value] : all.node()->items()) {
      if (!JsonObject::says_something(&value)) continue;
      const bool global = key == "full_attention";
      if (!global && key != "sliding_attention")
        return refusal(all, key, "one rotation each for sliding_attention and full_attention", key);
      const auto rope = all.object(key);
      if (!rope) return rope.error();
      LAMINA_TRY(read_kind(*rope, global));
    }
    return Done{};
  }

  [[nodiscard]] Status read_kind(const JsonObject& rope, bool global) {
    const std::string_view expected_type = global ? "proportional" : "default";
    const float expected_part = global ? proportional_part : 1.0F;
    // What the reference assumes where the object is silent.
    bool has_type = !global, has_part = !global || has_part_;
    for (const auto& [key, value] : rope.node()->items()) {
      if (!JsonObject::says_something(&value) || key == "rope_theta") continue;
      if (key == "rope_type" || key == "type") {
        const auto type = rope.string_or_empty(key);
        if (!type) return type.error();
        if (*type != expected_type) return refusal(rope, key, expected_type, *type);
        has_type = true;
      } else if (key == "partial_rotary_factor") {
        LAMINA_TRY(expect(rope, key, expected_part));
        has_part = true;
      } else {
        LAMINA_TRY(expect_neutral(rope, key));
      }
    }
    if (!has_type) return refusal(rope, "rope_type", expected_type, "nothing, which means default");
    if (!has_part)
      return refusal(rope, "partial_rotary_factor", text("%g", double{expected_part}),
                     "nothing, which means 1");
    return read_base(rope, "rope_theta", global ? global_base_ : local_base_);
  }

  /// `rope_scaling` is the older name: by kind of layer it says the same as rope_parameters; without kinds it
  /// can only scale, which nothing here does.
  [[nodiscard]] Status read_scaling() {
    const auto scaling = text_.object("rope_scaling");
    if (!scaling) return scaling.error();
    if (scaling->node() == nullptr) return Done{};
    if (scaling->node()->contains("full_attention") || scaling->node()->contains("sliding_attention"))
      return read_kinds(*scaling);
    for (const auto& [key, value] : scaling->node()->items()) {
      if (!JsonObject::says_something(&value) || is_string(value, "default")) continue;
      LAMINA_TRY(expect_neutral(*scaling, key));
    }
    return Done{};
  }

  /// Factors of 1 change nothing, whatever formula they belong to.
  [[nodiscard]] static Status expect_neutral(const JsonObject& rope, std::string_view key) {
    if (key == "factor" || key == "attention_factor") return expect(rope, key, 1.0F);
    const nlohmann::json* value = rope.find(key);
    const bool is_text = value->is_string();
    return refusal(rope, key, "no such setting",
                   is_text ? std::string_view(value->get_ref<const std::string&>()) : value->type_name());
  }

  [[nodiscard]] static Status expect(const JsonObject& rope, std::string_view key, float expected) {
    const auto number = rope.real(key);
    if (!number) return number.error();
    if (**number == expected) return Done{};
    return refusal(rope, key, text("%g", double{expected}), text("%g", double{**number}));
  }

  [[nodiscard]] static Status read_base(const JsonObject& object, std::string_view key,
                                        std::optional<float>& base) {
    const auto stated = object.positive(key);
    if (!stated) return stated.error();
    if (base && *stated && *base != **stated) {
      return bad_file(object.where(key), "base of the rotation is stated twice", text("%g", double{*base}),
                      text("%g", double{**stated}));
    }
    if (*stated) base = **stated;
    return Done{};
  }

  const JsonObject& root_;
  const JsonObject& text_;
  bool has_part_ = false;  // partial_rotary_factor is stated beside the rotations, for full attention
  std::optional<float> global_base_, local_base_;
};

}  // namespace lamina::detail
