#!/bin/sh
# Runs codec, groups and hostile input under valgrind's memcheck, and fails if raftcy has a part in any error.
#
#   tools/valgrind.sh PYTHON
#
# An optimized CPython has errors at every import. Errors without an extension of raftcy in their stack do not count. A
# first run reads memory that nobody has written, to show that an error of ours would be noticed.
set -eu
python=$1
log=build/valgrind.log
mkdir -p build

# Python's allocator would hide errors inside the blocks that it hands out.
watch() {
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 valgrind --leak-check=no --num-callers=40 --log-file="$log" "$python" "$@"
}

watch -c '
import ctypes, raftcy
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
try:
    raftcy.Message.decode((ctypes.c_char * 64).from_address(libc.malloc(64)))
except raftcy.DecodeError:
    pass
'
grep -q '/raftcy/.*\.so' "$log" || { echo "valgrind sees no error where there is one" >&2; exit 1; }
# CPython parses the number 0 by way of an uninitialized digit, and valgrind follows that from the JSON in a recording's
# header to every use.
watch -c '
import json, runpy
json._default_decoder = json.JSONDecoder(parse_int=lambda digits: int(digits) if digits != "0" else 0)
runpy.run_module("tests.system.leaks.work", run_name="__main__")
'
if grep -q '/raftcy/.*\.so' "$log"; then
    echo "valgrind found something, see $log" >&2
    exit 1
fi
echo "valgrind: nothing found in raftcy"
