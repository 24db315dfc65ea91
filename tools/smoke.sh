#!/bin/sh
# Installs raftcy in every way into fresh environments, as a user would, and runs a small cluster in each.
#
#   tools/smoke.sh BUILDER INTERPRETER...
#
# BUILDER is a Python with the `build` package. For each interpreter: a compiled wheel, run compiled and then pure by
# the run-time switch; a pure wheel; and the sdist without a working compiler.
set -eu
builder=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

unset RAFTCY_PURE_PYTHON RAFTCY_REQUIRE_EXT PYTHONPATH || true
export PIP_DISABLE_PIP_VERSION_CHECK=1
cp "$root/tests/system/packaging/smoke.py" "$scratch/smoke.py"
"$builder" -m build --sdist --outdir "$scratch" "$root" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
sdist=$(echo "$scratch"/raftcy-*.tar.gz)
cd "$scratch"

# fresh INTERPRETER NAME: a new environment in $scratch/NAME
fresh() {
    "$1" -m venv --clear "$scratch/$2"
}

# into NAME WHAT...: install, with the environment's own pip
into() {
    name=$1
    shift
    "$scratch/$name/bin/python" -m pip install -q "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
}

for python in "$@"; do
    rm -rf compiled-wheel pure-wheel
    fresh "$python" compiled
    RAFTCY_REQUIRE_EXT=1 compiled/bin/python -m pip wheel -q --no-deps -w compiled-wheel "$sdist"
    compiled/bin/python -m pip wheel -q --no-deps --config-settings pure-python=true -w pure-wheel "$sdist"
    into compiled compiled-wheel/*.whl
    compiled/bin/python smoke.py compiled
    RAFTCY_PURE_PYTHON=1 compiled/bin/python smoke.py pure
    case $(echo pure-wheel/*) in *-py3-none-any.whl) ;; *) echo "this is not a pure wheel: $(echo pure-wheel/*)"; exit 1 ;; esac
    fresh "$python" pure
    into pure pure-wheel/*.whl
    pure/bin/python smoke.py pure
    fresh "$python" sdist
    CC=false into sdist "$sdist"
    sdist/bin/python smoke.py pure
    echo "all installations of $(basename "$sdist") run with $("$python" -V)"
done
