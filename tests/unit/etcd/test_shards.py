"""The dict in parts, against a dict."""

import random

import pytest

from raftcy.etcd.shards import COUNT, Shards

pytestmark = pytest.mark.once


def test_it_is_a_dict() -> None:
    draw = random.Random(1)
    shards, plain = Shards[int](), dict[bytes, int]()
    assert (len(shards), list(shards)) == (0, [])
    for number in range(5000):
        key = b"%d" % draw.randrange(700)
        if draw.random() < 0.6:
            shards[key] = plain[key] = number
        elif key in plain:
            assert key in shards
            del shards[key], plain[key]
        else:
            assert key not in shards
            assert shards.get(key) is None
            assert shards.get(key, 5) == 5
            with pytest.raises(KeyError):
                shards[key]
            with pytest.raises(KeyError):
                del shards[key]
        assert shards.get(key, 0) == plain.get(key, 0)
        assert len(shards) == len(plain)
    assert dict(shards.items()) == plain
    assert sorted(shards) == sorted(plain)
    assert sorted(shards.values()) == sorted(plain.values())
    assert all(shards[key] == value for key, value in plain.items())


def test_keys_are_spread() -> None:
    """No part has much more than its share: else it would grow in one go again."""
    shards = Shards[int]()
    for number in range(COUNT * 200):
        shards[b"/registry/pods/default/%08d" % number] = number
    sizes = [len(part) for part in shards._parts]
    assert max(sizes) < 400
    assert min(sizes) > 50
