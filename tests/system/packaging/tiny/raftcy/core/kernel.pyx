"""A kernel in Cython, with a plain twin."""

from libc.stdint cimport uint64_t


def double(uint64_t number) -> int:
    return number + number
