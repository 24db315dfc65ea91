"""The fuzz targets: functions of bytes that raise when a promise is broken, and the builds that they compare."""

from collections.abc import Callable
from types import ModuleType

from .calls import calls
from .decoding import decoding, framing
from .gateway import gateway
from .groups import groups
from .recordings import recordings
from .steps import changes, snapshots, steps

Target = Callable[[list[ModuleType], bytes], object]

TARGETS: dict[str, Target] = {
    "decode": decoding,
    "frames": framing,
    "steps": steps,
    "changes": changes,
    "snapshots": snapshots,
    "recordings": recordings,
    "groups": groups,
    "calls": calls,
    "gateway": gateway,
}
