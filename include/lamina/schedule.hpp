// SPDX-License-Identifier: Apache-2.0
// Models as types, and the facts that follow from the types: no vector code, no operating system, no
// allocation. Include this to define a variant or to plan with one; compiles with -ffreestanding.
#pragma once

#include <lamina/schedule/shapes.hpp>         // the numbers of a layer kind, and their rules
#include <lamina/schedule/kinds.hpp>          // the vocabulary: what a layer can be
#include <lamina/schedule/slots.hpp>          // which weights each kind has
#include <lamina/schedule/concepts.hpp>       // what makes a type a kind
#include <lamina/schedule/schedule.hpp>       // layers, repetition, Boost.Hana
#include <lamina/schedule/description.hpp>    // a model's structure as values
#include <lamina/schedule/variant.hpp>        // a model as a type: kinds, KV owners, the split
#include <lamina/schedule/describe.hpp>       // from the type to the values
#include <lamina/schedule/kv_layout.hpp>      // formats and layouts of cached keys and values
#include <lamina/schedule/weight_totals.hpp>  // adding up slots
#include <lamina/schedule/facts.hpp>          // bytes and operations of a model type
#include <lamina/schedule/plan.hpp>           // the same from a description, per kind of layer
