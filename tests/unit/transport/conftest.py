"""With RAFTCY_UVLOOP=1 in the environment, the event loop of these tests is uvloop's."""

import os
from collections.abc import Callable, Mapping
from typing import Any

if os.environ.get("RAFTCY_UVLOOP", "") not in ("", "0"):
    import uvloop

    def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], Any]]:
        """What pytest-asyncio makes its event loops by."""
        return {"uvloop": uvloop.new_event_loop}
