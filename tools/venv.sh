#!/bin/sh
# Makes a virtual environment and installs one dependency group of pyproject.toml into it, at the versions of
# tools/constraints.txt. Does nothing if that is done already.
#
#   tools/venv.sh FOLDER GROUP
#   tools/venv.sh --find            prints the interpreter that it would take for a new environment
#
# The interpreter is $PYTHON if that is set. Otherwise an existing environment stays unchanged, and a new one gets the
# first of python3, python3.15, …, python3.11 that is at least 3.11.
set -eu

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

# A program in the background does not see ctrl-C, and ends without a traceback when this script ends it.
child=
unfinished=
stop() {
    trap - INT TERM
    [ -z "$child" ] || kill "$child" 2>/dev/null || true
    [ -z "$unfinished" ] || rm -rf "$unfinished"
    echo "interrupted; the same command goes on from here" >&2
    exit 130
}
watched() {
    "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    return "$status"
}

if [ "$1" = --find ]; then
    choose
    exit
fi
venv=$1
group=$2
trap stop INT TERM

if ! suits "$venv/bin/python" || { [ -n "${PYTHON:-}" ] && [ "$(identity "$PYTHON")" != "$(identity "$venv/bin/python")" ]; }; then
    python=$(choose)
    echo "making $venv with $("$python" -V)"
    unfinished=$venv
    watched "$python" -m venv --clear "$venv" || {
        rm -rf "$venv"
        echo "$python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
    unfinished=
fi

wanted=$(cat pyproject.toml tools/constraints.txt | cksum)
done_file=$venv/.group-$group
[ "$(cat "$done_file" 2>/dev/null)" = "$wanted" ] && exit 0

requirements=$venv/.requirements
"$venv/bin/python" tools/group.py "$group" >"$requirements"
echo "installing into $venv: $(sed 's/[^A-Za-z0-9._-].*//' "$requirements" | tr '\n' ' ')"
pip() {
    watched "$venv/bin/python" -m pip --disable-pip-version-check install -q -c tools/constraints.txt "$@"
}
case $group in
    # What only compiles is installed in the quickest way: bytecode is made of the modules that are imported, not of all.
    build | run) pip --no-compile -r "$requirements" ;;
    *)
        pip pip
        pip -r "$requirements"
        ;;
esac
# Some clients whose wheels not every interpreter has; without them, their tests are skipped.
case $group in
    test | cover | fuzz | lint)
        "$venv/bin/python" tools/group.py clients >"$requirements"
        pip --only-binary=:all: -r "$requirements" || echo "grpcio has no wheel here; its tests are skipped"
        ;;
esac
echo "$wanted" >"$done_file"
