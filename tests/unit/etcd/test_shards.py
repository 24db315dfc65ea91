"""The dict in parts, against a dict."""

import random
import subprocess
import sys

import pytest

from raftcy.etcd.shards import COUNT, Shards
from tests.support.needs import FREE_THREADED

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
            with pytest.raises(KeyError):
                shards[key]
            with pytest.raises(KeyError):
                del shards[key]
        assert shards.get(key) == plain.get(key)
        assert len(shards) == len(plain)
    assert dict(shards.items()) == plain
    assert sorted(shards) == sorted(plain)
    assert sorted(shards.values()) == sorted(plain.values())
    assert all(shards[key] == value for key, value in plain.items())
    assert shards.several(plain) == list(plain.values())


def test_keys_are_spread() -> None:
    """No part has much more than its share: else it would grow in one go again."""
    shards = Shards[int]()
    for number in range(COUNT * 200):
        shards[b"/registry/pods/default/%08d" % number] = number
    sizes = [len(part) for part in shards.parts]
    assert max(sizes) < 400
    assert min(sizes) > 50


@pytest.mark.skipif(FREE_THREADED, reason="the collector shows frozen objects too")
def test_the_collector_looks_at_it_no_more_once_it_is_frozen() -> None:
    """A plain dict would not be frozen while it has nothing that is tracked, and come back with the first write."""
    program = """
import gc
from raftcy.etcd.shards import Shards
shards = Shards()
shards[b"a"] = (1, b"a")
gc.collect()
gc.freeze()
for number in range(10_000):
    shards[b"%d" % number] = (number, b"a")
gc.collect()
looked_at = {id(each) for each in gc.get_objects()}
print(len([part for part in shards.parts if id(part) in looked_at]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
