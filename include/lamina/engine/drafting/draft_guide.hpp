// SPDX-License-Identifier: Apache-2.0
// Which tokens are worth drafting, asked of whoever knows the form of the text.
#pragma once

#include <lamina/core/types.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// Says which tokens may be drafted; what may not be drawn is not worth a row.
class DraftGuide {
 public:
  /// The tokens that may follow what was fed and the drafts that `follow` was told of; null: all. A mask is
  /// valid until the next call.
  [[nodiscard]] virtual const TokenMask* allowed() = 0;
  /// A draft was added. False: nothing may be drafted behind it.
  [[nodiscard]] virtual bool follow(TokenId draft) = 0;

 protected:
  ~DraftGuide() = default;
};

}  // namespace lamina
