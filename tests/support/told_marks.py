"""A plugin of pytest that prints the collected tests as JSON: the marks of each by its id."""

import json

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    print(json.dumps({item.nodeid: sorted({mark.name for mark in item.iter_markers()}) for item in session.items}))
