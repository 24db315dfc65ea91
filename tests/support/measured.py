"""Parts of results of the benchmarks."""

MACHINE = {
    "interpreter": "CPython", "compiler": "gcc", "options": "", "machine": "x86_64", "libc": "glibc",
    "configured_with": [], "system": "Linux", "processor": "some processor", "processors": 2, "load": [0.1, 0, 0],
}  # fmt: skip
