"""raft-rs is compiled in a hurry for these tests, which ask what it does and not how fast."""

from collections.abc import Iterator

import pytest

HURRY = {"LTO": "off", "OPT_LEVEL": "0", "CODEGEN_UNITS": "256"}


@pytest.fixture(autouse=True, scope="package")
def a_hurried_cargo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for option, value in HURRY.items():
            patch.setenv(f"CARGO_PROFILE_RELEASE_{option}", value)
        yield
