# What stages have in common; to be sourced. SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Sets `top`, the project's folder, and `out`, the stage's own, build/thorough/NAME, which exists.
set -eu -o pipefail
top=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
out=$top/build/thorough/$(basename "$0")
mkdir -p "$out"
export LC_ALL=C
! command -v ninja >/dev/null || export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"

# skip REASON...: this machine lacks something that the stage needs.
skip() {
    echo "$*"
    exit 77
}

# need PACKAGE...: like cmake/need; if that fails, the stage is skipped.
need() {
    "$top/cmake/need" "$@" || skip "packages are missing and cannot be installed: $*"
}

# build_tree FOLDER [CMAKE OPTION...]: configures and builds the library and its tests in the stage's folder:
# everything, or the targets in the array `targets`.
targets=()
build_tree() {
    local folder=$out/$1
    shift
    "$top/cmake/quiet" cmake -S "$top" -B "$folder" -DASYNCHAT_BUILD_TESTS=ON -DASYNCHAT_BUILD_EXAMPLES=ON \
        -DASYNCHAT_INSTALL=OFF "$@" || return
    "$top/cmake/quiet" cmake --build "$folder" -j "$(nproc)" ${targets[0]+--target "${targets[@]}"}
}

# test_tree FOLDER [CTEST OPTION...]: runs the tests of a build. If all pass, prints one line.
test_tree() {
    local folder=$1 log status=0
    shift
    log=$(ctest --test-dir "$out/$folder" -j "$(nproc)" --output-on-failure --no-tests=error "$@" 2>&1) || status=$?
    [ $status -eq 0 ] || printf '%s\n' "$log"
    awk -v folder="$folder" '
        /\*\*\*Skipped/ { skipped++ }
        /tests? failed out of/ { failed = $4; run = $NF }
        END { printf "%s: %d tests run, %d failed, %d skipped\n", folder, run - skipped, failed, skipped }' <<<"$log"
    return $status
}
