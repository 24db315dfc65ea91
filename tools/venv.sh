#!/bin/sh
# Makes a virtual environment and installs one dependency group of pyproject.toml into it, at the versions of
# tools/constraints.txt. Does nothing if that is done already.
#
#   tools/venv.sh FOLDER GROUP
#
# The interpreter is $PYTHON if that is set. Otherwise an existing environment stays unchanged, and a new one gets the
# first of python3, python3.15, …, python3.11 that is at least 3.11.
set -eu
venv=$1
group=$2

suits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

identity() {
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null || true
}

choose() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" && echo "$PYTHON" && return
        echo "raftcy needs Python 3.11 or later; PYTHON=$PYTHON is not that" >&2
        exit 1
    fi
    for candidate in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do
        suits "$candidate" && echo "$candidate" && return
    done
    echo "raftcy needs Python 3.11 or later; none was found. Name one: make PYTHON=/path/to/python3 ..." >&2
    exit 1
}

if ! suits "$venv/bin/python" || { [ -n "${PYTHON:-}" ] && [ "$(identity "$PYTHON")" != "$(identity "$venv/bin/python")" ]; }; then
    python=$(choose)
    echo "making $venv with $("$python" -V)"
    "$python" -m venv --clear "$venv" || {
        echo "$python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
fi

wanted=$(cat pyproject.toml tools/constraints.txt | cksum)
done_file=$venv/.group-$group
[ "$(cat "$done_file" 2>/dev/null)" = "$wanted" ] && exit 0

echo "installing the $group tools into $venv"
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check install -q -c tools/constraints.txt "$@"
}
# Dependency groups need pip 25.1, and a new environment has the pip of its Python.
pip pip
pip --group "$group"
case $group in
test | cover | fuzz | lint)
    pip --only-binary=:all: --group clients || echo "grpcio has no wheel here, and its tests are skipped"
    ;;
esac
echo "$wanted" >"$done_file"
