"""Builds raftcy's extension modules: all of them, or none.

The modules cimport each other, so a package in which only some are compiled cannot be imported. If any step fails, the
build removes what it has built and produces the pure package instead (CONTRIBUTING.md, "Two builds").

Environment variables: RAFTCY_PURE_PYTHON=1 builds no extensions. RAFTCY_REQUIRE_EXT=1 makes a failed build an error.
RAFTCY_ANNOTATE=1 writes Cython's HTML reports to build/cython. For debugging: RAFTCY_OVERFLOWCHECK=1,
RAFTCY_LINETRACE=1, RAFTCY_SANITIZE=address,undefined.
"""

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, PlatformError


def enabled(name):
    return os.environ.get(name, "") not in ("", "0")


PURE, REQUIRE = enabled("RAFTCY_PURE_PYTHON"), enabled("RAFTCY_REQUIRE_EXT")
ANNOTATE, TRACE, SANITIZE = enabled("RAFTCY_ANNOTATE"), enabled("RAFTCY_LINETRACE"), os.environ.get("RAFTCY_SANITIZE")
DIRECTIVES = {"language_level": 3, "infer_types": True, "binding": False, "embedsignature": True, "linetrace": TRACE}
# Signatures in the form that inspect.signature reads. Docstrings are then equal in both builds.
DIRECTIVES |= {"embedsignature.format": "clinic"}
DIRECTIVES |= {"annotation_typing": False, "freethreading_compatible": True, "allow_none_for_extension_args": False}
DIRECTIVES |= {"overflowcheck": enabled("RAFTCY_OVERFLOWCHECK")}
# Directives for every class of these modules: their objects cannot form reference cycles and need no garbage collector.
# Values are also created so often that freed ones are kept for reuse.
NO_CYCLES, VALUES = {"no_gc": True}, {"no_gc": True, "freelist": 128}
ACYCLIC = ("outbox", "progress", "quorum", "readonly", "storage", "tracker")
KINDS = {f"raftcy.core.{name}": NO_CYCLES for name in ACYCLIC}
KINDS |= dict.fromkeys(("raftcy.wire.messages", "raftcy.core.ready"), VALUES)
MACROS = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else []
CHECKED = ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={SANITIZE}"]
FLAGS = [*(CHECKED if SANITIZE else ["-O2", "-g0"]), "-Wno-sign-compare"]


def extensions():
    """Return an extension for every `.pyx`, and for every `.py` with a `.pxd` that types it.

    A `.py` beside a `.pyx` is its pure twin and stays plain. A `.pxd` that serves only other modules, while its `.py`
    stays plain, says so in its first line.
    """
    found = {}
    for declarations in Path("raftcy").rglob("*.pxd"):
        if "itself is not compiled" not in declarations.read_text(encoding="utf-8").partition("\n")[0]:
            found[declarations.with_suffix("")] = declarations.with_suffix(".py")
    found |= {source.with_suffix(""): source for source in Path("raftcy").rglob("*.pyx")}
    return [Extension(".".join(base.parts), [found[base].as_posix()], define_macros=MACROS) for base in sorted(found)]


class Project(Distribution):
    """Compiles in place even with a setuptools too old to read pyproject.toml, which that does not need."""

    def parse_config_files(self, *args, **options):
        try:
            super().parse_config_files(*args, **options)
        except ValueError:
            if "build_ext" not in self.script_args:
                raise
            super().parse_config_files([])


class BuildAllOrNone(build_ext):
    def run(self):
        if PURE:
            return
        folders = [self.build_lib, "."] if self.inplace else [self.build_lib]
        try:
            super().run()
        except (BaseError, CCompilerError, OSError, ImportError) as error:
            self.remove(folders, keep=())
            if REQUIRE:
                raise PlatformError(f"RAFTCY_REQUIRE_EXT is set, but there are no extensions: {error}") from error
            print(f"raftcy: the extensions cannot be built ({error}); this is the pure Python build", file=sys.stderr)
            self.extensions = self.distribution.ext_modules = []
            if wheel := self.distribution.get_command_obj("bdist_wheel", create=False):
                wheel.root_is_pure = True
        else:  # remove old binaries of modules that are plain now, which Python would import instead of the source
            self.remove(folders, keep={Path(self.get_ext_filename(module.name)) for module in self.extensions})

    def build_extensions(self):
        with tempfile.TemporaryDirectory() as scratch:  # detect a missing compiler before the slow translation
            probe = Path(scratch, "probe.c")
            probe.write_text("#include <Python.h>\n")
            self.compiler.compile([str(probe)], output_dir=scratch)
        import Cython.Build
        from Cython.Compiler.Errors import CompileError
        from Cython.Compiler.Options import get_directive_defaults

        self.parallel = self.parallel or os.cpu_count()
        used = Path(self.build_temp, "options.txt")  # do not reuse objects that were built with other options
        wanted = f"{Cython.__version__} {DIRECTIVES} {KINDS} {MACROS} {FLAGS}"
        self.force = self.force or not used.exists() or used.read_text() != wanted
        options = {"build_dir": "build/cython", "nthreads": self.parallel, "annotate": ANNOTATE, "quiet": True}
        options["force"] = self.force or ANNOTATE
        get_directive_defaults().update(no_gc=False, freelist=0)  # otherwise Cython accepts them only on a class
        modules = []
        try:
            for kind in ({}, NO_CYCLES, VALUES):
                group = [each for each in self.extensions if KINDS.get(each.name, {}) == kind]
                modules += Cython.Build.cythonize(group, compiler_directives=DIRECTIVES | kind, **options)
        except CompileError as error:
            raise PlatformError("Cython refused a source, see above") from error
        generated = {module.name: module.sources for module in modules}
        for module in self.extensions:
            module.sources = generated[module.name]
            if self.compiler.compiler_type != "msvc":
                module.extra_compile_args, module.extra_link_args = FLAGS, FLAGS if SANITIZE else []
        super().build_extensions()
        used.write_text(wanted)

    def remove(self, folders, keep):
        for folder in folders:
            for path in Path(folder, "raftcy").rglob("*" + sysconfig.get_config_var("EXT_SUFFIX")):
                if path.relative_to(folder) not in keep:
                    path.unlink()


if __name__ == "__main__":
    if PURE and REQUIRE:
        sys.exit("raftcy: RAFTCY_PURE_PYTHON and RAFTCY_REQUIRE_EXT contradict each other")
    setup(ext_modules=[] if PURE else extensions(), cmdclass={"build_ext": BuildAllOrNone}, distclass=Project)
