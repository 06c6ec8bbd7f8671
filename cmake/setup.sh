# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Shell functions that tests/run, examples/run and .ci/run share: packages, steps, quiet builds. Sourced, not run.

# What a build needs, and what the tests need besides, as Debian 12 and Ubuntu 24.04 name it.
build_packages="g++ cmake ninja-build libhwy-dev libboost-dev libcli11-dev nlohmann-json3-dev libstb-dev libeigen3-dev libsndfile1-dev libcpp-httplib-dev"
test_packages="$build_packages doctest-dev libbenchmark-dev python3"

step() {
  printf '== %s\n' "$*"
}

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Installs those of the named packages that are missing; without the right to do so, says which ones to ask for.
require_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    step "No apt-get here: taking for granted what these Debian packages hold: $*"
    return 0
  fi
  local missing="" package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
      missing="$missing $package"
    fi
  done
  if [ -z "$missing" ]; then
    return 0
  fi
  local as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      as_root="sudo"
    else
      fail "These packages are missing and only an administrator can install them. Please ask for:
  apt-get install$missing"
    fi
  fi
  step "Installing:$missing"
  # shellcheck disable=SC2086  # words are meant to be split
  if ! $as_root apt-get -qq update || ! $as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install --no-install-recommends -y $missing >/dev/null; then
    fail "The packages could not be installed:$missing"
  fi
}

# Stops early, with the reason, where CMake is too old (Ubuntu before 24.04).
require_cmake() {
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*//p')
  if [ "$(printf '%s\n3.25\n' "$version" | sort -V | head -n 1)" != 3.25 ]; then
    fail "CMake 3.25 or newer is needed, found $version (Debian 12 and Ubuntu 24.04 have it)"
  fi
}

# Number of compilers to run at once: one a CPU, but no more than fit into memory at about 1.5 GB each.
jobs_at_once() {
  local cpus memory
  cpus=$(nproc 2>/dev/null || echo 1)
  memory=$(awk '/^MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo 2>/dev/null || echo 1)
  if [ "${memory:-1}" -lt 1 ]; then memory=1; fi
  if [ "$memory" -lt "$cpus" ]; then echo "$memory"; else echo "$cpus"; fi
}

# Runs a command without its output, which goes to a log; shows the end of it if the command fails.
# On a terminal the command shows its own one-line progress instead; elsewhere a line every half minute tells how far it is.
quietly() {
  local log=$1 status=0 pid waited=0
  shift
  mkdir -p "$(dirname "$log")"
  if [ -t 1 ]; then
    "$@" || fail "failed: $*"
    return 0
  fi
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    if [ $((waited % 30)) -eq 0 ]; then
      printf '   %s s: %s\n' "$waited" "$(tail -n 1 "$log" | cut -c 1-100)"
    fi
  done
  wait "$pid" || status=$?
  if [ "$status" -ne 0 ]; then
    grep -n -m 20 -E 'error|FAILED|Error' "$log" >&2 || true
    tail -n 60 "$log" >&2
    fail "failed with status $status: $* (whole output: $log)"
  fi
}

# configure_and_build PRESET [CMAKE-OPTION...]: everything of a preset, into build/PRESET.
configure_and_build() {
  local preset=$1
  shift
  step "Configuring ($preset)"
  quietly "build/logs/$preset-configure.log" cmake --preset "$preset" "$@"
  step "Building ($preset)"
  quietly "build/logs/$preset-build.log" cmake --build --preset "$preset" --parallel "$(jobs_at_once)"
}
