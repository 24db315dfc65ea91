"""Clusters for the tests of this folder; each ends with its test, whatever the result."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.wire_peers import GO, Cluster, build_go_peer


@pytest.fixture(scope="session")
def go_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference's peer, built once."""
    return build_go_peer(tmp_path_factory.mktemp("go-peer"))


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters: ``start(kinds, *flags)``. Needs Go only if one of the kinds is the reference's."""
    clusters: list[Cluster] = []

    def begin(kinds: tuple[str, ...], *flags: str, tick: int = 20) -> Cluster:
        folder = tmp_path / str(len(clusters))
        folder.mkdir()
        go_peer = request.getfixturevalue("go_peer") if GO in kinds else None
        clusters.append(Cluster(kinds, go_peer, folder, *flags, tick=tick))
        return clusters[-1]

    yield begin
    for cluster in clusters:
        for peer in cluster.peers.values():
            if peer.process.poll() is None:
                peer.kill()
