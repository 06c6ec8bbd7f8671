// SPDX-License-Identifier: Apache-2.0
// Open values copied from one arena to another, so that what is over takes no memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/schema/scopes.hpp>

namespace lamina::masks {

/// Copies scopes and all that they point to; what is shared stays shared.
class ScopeMover {
 public:
  explicit ScopeMover(Arena& to) : to_(&to) {}

  [[nodiscard]] const Scope* move(const Scope* scope) {
    std::vector<const Scope*> chain;
    for (; scope != nullptr && moved_.find(scope) == moved_.end(); scope = scope->parent)
      chain.push_back(scope);
    const Scope* parent = scope == nullptr ? nullptr : static_cast<const Scope*>(moved_[scope]);
    for (std::size_t i = chain.size(); i-- > 0;) {
      parent = copy(*chain[i], parent);
      moved_.emplace(chain[i], parent);
    }
    return parent;
  }

  template <class T>
  [[nodiscard]] T* move(const T* from, std::size_t count) {
    if (from == nullptr) return nullptr;
    T* out = to_->take<T>(count);
    std::copy_n(from, count, out);
    return out;
  }

 private:
  [[nodiscard]] const Scope* copy(const Scope& from, const Scope* parent) {
    Scope* out = to_->take<Scope>(1);
    *out = from;
    out->parent = parent;
    out->bindings = move(from.bindings, from.binding_count);
    out->truths = move(from.truths, from.group->atoms.size());
    out->contained = move(from.contained, from.group->atoms.size());
    out->used = move(from.used, from.group->name_words);
    out->seen = move_seen(from.seen);
    return out;
  }
  [[nodiscard]] const Seen* move_seen(const Seen* seen) {
    std::vector<const Seen*> chain;
    for (; seen != nullptr && moved_.find(seen) == moved_.end(); seen = seen->before) chain.push_back(seen);
    const Seen* before = seen == nullptr ? nullptr : static_cast<const Seen*>(moved_[seen]);
    for (std::size_t i = chain.size(); i-- > 0;) {
      Seen* out = to_->take<Seen>(1);
      *out = {chain[i]->hash, chain[i]->all, before};
      before = out;
      moved_.emplace(chain[i], before);
    }
    return before;
  }

  Arena* to_;
  std::unordered_map<const void*, const void*> moved_;
};

}  // namespace lamina::masks
