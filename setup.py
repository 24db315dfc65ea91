"""Builds raftcy's extension modules: all of them, or none.

The modules cimport each other, so a package in which only some are compiled cannot be imported. If any step fails, the
build removes what it has built and produces the pure package instead (CONTRIBUTING.md, "Two builds").

Environment variables: RAFTCY_PURE_PYTHON=1 builds no extensions. RAFTCY_REQUIRE_EXT=1 makes a failed build an error.
RAFTCY_HURRY=1 optimizes less, which halves the time, where nothing is compiled yet; a later build without it compiles
all modules anew. RAFTCY_ANNOTATE=1 writes Cython's HTML reports to build/cython. For debugging: RAFTCY_OVERFLOWCHECK=1,
RAFTCY_LINETRACE=1, RAFTCY_SANITIZE=address,undefined.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, PlatformError

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    bdist_wheel = object  # an old setuptools, which compiles in place alone

sys.path.insert(0, str(Path(__file__).parent / "tools"))
import compiling
import sbom


def enabled(name):
    return os.environ.get(name, "") not in ("", "0")


PURE, REQUIRE = enabled("RAFTCY_PURE_PYTHON"), enabled("RAFTCY_REQUIRE_EXT")
HURRY = enabled("RAFTCY_HURRY")
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
HURRIED = [flag.replace("-O2", "-Og") for flag in FLAGS]


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


def directives(module):
    """Cython's directives for a module."""
    return DIRECTIVES | KINDS.get(module.name, {})


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
            if not self.inplace:
                self.add_stubs()

    def build_extensions(self):
        with tempfile.TemporaryDirectory() as scratch:  # detect a missing compiler before the slow translation
            probe = Path(scratch, "probe.c")
            probe.write_text("#include <Python.h>\n")
            self.compiler.compile([str(probe)], output_dir=scratch)
        import Cython

        self.parallel = self.parallel or os.cpu_count()
        flags = self.begin_with(f"{Cython.__version__} {DIRECTIVES} {KINDS} {MACROS}")
        options = {"build_dir": "build/cython", "annotate": ANNOTATE, "quiet": True, "force": self.force or ANNOTATE}
        self.check_extensions_list(self.extensions)
        done, begun = Path(self.build_temp, "done"), time.time()
        if not options["force"] and self.is_newer_than_sources(done):
            return
        for module in self.extensions:
            if self.compiler.compiler_type != "msvc":
                module.extra_compile_args, module.extra_link_args = flags, flags if SANITIZE else []
        try:
            compiling.build(self.extensions, directives, options, self.compile_one, self.parallel, self.what)
        except compiling.Refused:
            raise PlatformError("Cython refused a source, see above") from None
        done.touch()
        os.utime(done, (begun, begun))  # what was edited during the build is not in it

    def is_newer_than_sources(self, done):
        """Whether nothing has changed since the last complete build. That is known sooner than what has to be done."""
        if not done.exists() or not all(Path(self.get_ext_fullpath(each.name)).exists() for each in self.extensions):
            return False
        sources = [*(each.sources[0] for each in self.extensions), *Path("raftcy").rglob("*.pxd")]
        return done.stat().st_mtime > max(os.stat(source).st_mtime for source in sources)

    def begin_with(self, others):
        """Return the compiler's flags, and remove what was built with other options. The rest is continued."""
        used = Path(self.build_temp, "options.txt")
        before = used.read_text() if used.exists() else None
        self.what = "what has changed"
        flags = HURRIED if HURRY and before in (None, f"{others} {HURRIED}") else FLAGS
        if before != f"{others} {flags}":
            for folder in (self.build_temp, "build/cython"):
                shutil.rmtree(folder, ignore_errors=True)
            self.remove([self.build_lib], keep=())
            used.parent.mkdir(parents=True)
            used.write_text(f"{others} {flags}")
            self.what = f"all of raftcy to C and to machine code ({flags[0]}), once"
        return flags

    def compile_one(self, module):
        """Compile a module that is translated; returns whether that was necessary."""
        target = Path(self.get_ext_fullpath(module.name))
        before = target.stat().st_mtime_ns if target.exists() else None
        try:
            self.build_extension(module)
        except BaseException:
            target.unlink(missing_ok=True)  # half a file would count as up to date
            raise
        return target.stat().st_mtime_ns != before

    def add_stubs(self):
        """Put its source beside each extension module as a stub too.

        Completion by jedi, in IPython for example, looks at an extension module and not at the source beside it, unless
        there is a stub.
        """
        for module in self.extensions:
            base = Path(*module.name.split("."))
            shutil.copy2(base.with_suffix(".py"), Path(self.build_lib, base.with_suffix(".pyi")))

    def remove(self, folders, keep):
        for path in Path(self.build_lib, "raftcy").rglob("*.pyi"):
            if path.with_suffix(".py").exists() and not path.relative_to(self.build_lib).exists():
                path.unlink()  # a stub of the build before
        for folder in folders:
            for path in Path(folder, "raftcy").rglob("*" + sysconfig.get_config_var("EXT_SUFFIX")):
                if path.relative_to(folder) not in keep:
                    path.unlink()


class Wheel(bdist_wheel):
    """A wheel with a bill of materials."""

    def write_wheelfile(self, wheelfile_base, **options):
        super().write_wheelfile(wheelfile_base, **options)
        cython = None
        if not self.root_is_pure:
            import Cython

            cython = Cython.__version__
        sbom.write(Path(wheelfile_base), self.distribution.get_version(), "-".join(self.get_tag()), cython)


if __name__ == "__main__":
    if PURE and REQUIRE:
        sys.exit("raftcy: RAFTCY_PURE_PYTHON and RAFTCY_REQUIRE_EXT contradict each other")
    commands = {"build_ext": BuildAllOrNone} | ({"bdist_wheel": Wheel} if bdist_wheel is not object else {})
    setup(ext_modules=[] if PURE else extensions(), cmdclass=commands, distclass=Project)
