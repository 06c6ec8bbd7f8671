// SPDX-License-Identifier: Apache-2.0
// Byte-pair merging of one word: always the best-ranked pair, the leftmost among equals.
// Source: tokenizer-and-chat.md §3 step 4.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lamina/core/types.hpp>
#include <lamina/tokenizer/merge_table.hpp>

namespace lamina {

/// Memory for merging, kept between words so that encoding seldom allocates. `List` is std::vector, or
/// `FixedList`, whose memory is the caller's.
template <template <class> class List>
struct MergeScratchOf {
  List<TokenId> word;            ///< symbols of the word, first its characters
  List<MergeFound> pairs;        ///< [word] what symbol i and its right neighbour merge to
  List<std::uint32_t> previous;  ///< [word] left neighbour, in long words
  List<std::uint32_t> next;      ///< [word] right neighbour, in long words
  List<char> joined;             ///< text of two neighbours, where scores decide
  List<std::uint64_t> heap;      ///< (rank, position) of pairs that may merge, in long words
};

template <class T>
using HeapList = std::vector<T>;
using MergeScratch = MergeScratchOf<HeapList>;

namespace detail {

/// Up to this many symbols a scan for the best pair beats the heap: the arrays fit into a few cache lines.
inline constexpr std::size_t longest_scanned_word = 24;

/// Merges by scanning: O(n²) steps, all in the first-level cache.
template <class Merges, class Scratch>
void merge_short_word(const Merges& merges, Scratch& scratch) {
  auto& word = scratch.word;
  auto& pairs = scratch.pairs;
  std::size_t count = word.size();
  pairs.resize(count);
  for (std::size_t i = 0; i + 1 < count; ++i) pairs[i] = merges.find(word[i], word[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == no_rank) break;
    word[best] = pairs[best].result;
    for (std::size_t i = best + 1; i + 1 < count; ++i) {
      word[i] = word[i + 1];
      pairs[i] = pairs[i + 1];
    }
    --count;
    if (best + 1 < count) pairs[best] = merges.find(word[best], word[best + 1]);
    if (best > 0) pairs[best - 1] = merges.find(word[best - 1], word[best]);
  }
  word.resize(count);
}

/// Merges through a heap of pairs: O(n log n), for words as long as a whole text.
template <class Merges, class Scratch>
void merge_long_word(const Merges& merges, Scratch& scratch) {
  constexpr std::uint32_t none = 0xFFFF'FFFF;
  auto& word = scratch.word;
  auto& pairs = scratch.pairs;
  auto& heap = scratch.heap;
  const auto count = static_cast<std::uint32_t>(word.size());
  pairs.resize(count);
  scratch.previous.resize(count);
  scratch.next.resize(count);
  heap.clear();

  const auto set_pair = [&](std::uint32_t left, std::uint32_t right) {
    pairs[left] = right == none ? MergeFound{} : merges.find(word[left], word[right]);
    return pairs[left].rank != no_rank;
  };
  const auto later = [](std::uint64_t a, std::uint64_t b) {
    return a > b;
  };  // best rank, then leftmost, on top
  const auto entry = [&](std::uint32_t left) { return (std::uint64_t{pairs[left].rank} << 32) | left; };
  for (std::uint32_t i = 0; i < count; ++i) {
    scratch.previous[i] = i == 0 ? none : i - 1;
    scratch.next[i] = i + 1 == count ? none : i + 1;
    if (set_pair(i, scratch.next[i])) heap.push_back(entry(i));
  }
  std::make_heap(heap.begin(), heap.end(), later);
  const auto push = [&](std::uint32_t left) {
    heap.push_back(entry(left));
    std::push_heap(heap.begin(), heap.end(), later);
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const std::uint64_t top = heap.back();
    heap.pop_back();
    const auto left = static_cast<std::uint32_t>(top);
    // An entry is stale when its pair has changed since. If the new pair has the same rank, it has an entry
    // of its own with the same place, so it does not matter which of the two is taken.
    if (pairs[left].rank != static_cast<std::uint32_t>(top >> 32)) continue;
    const std::uint32_t right = scratch.next[left];
    word[left] = pairs[left].result;
    word[right] = no_token;
    pairs[right] = {};
    const std::uint32_t after = scratch.next[right];
    scratch.next[left] = after;
    if (after != none) scratch.previous[after] = left;
    if (set_pair(left, after)) push(left);
    const std::uint32_t before = scratch.previous[left];
    if (before != none && set_pair(before, left)) push(before);
  }
  const auto end = std::remove(word.begin(), word.end(), no_token);
  word.resize(static_cast<std::size_t>(end - word.begin()));
}

}  // namespace detail

/// Replaces the symbols of `scratch.word` by what the merges make of them: `MergeTable`, or the finder of
/// `ScoreMerges`.
template <class Merges, class Scratch>
void merge_word(const Merges& merges, Scratch& scratch) {
  if (scratch.word.size() < 2) return;
  if (scratch.word.size() <= detail::longest_scanned_word) {
    detail::merge_short_word(merges, scratch);
  } else {
    detail::merge_long_word(merges, scratch);
  }
}

}  // namespace lamina
