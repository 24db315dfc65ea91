"""A lessor for tests of the store: it knows which keys hang on which lease, and checks what it hears."""


class Attached:
    def __init__(self, *leases: int) -> None:
        self.keys: dict[int, set[bytes]] = {lease: set() for lease in leases}

    def exists(self, lease: int) -> bool:
        return lease in self.keys

    def attach(self, lease: int, key: bytes) -> None:
        assert key not in self.keys[lease]
        self.keys[lease].add(key)

    def detach(self, lease: int, key: bytes) -> None:
        self.keys[lease].remove(key)

    def used(self) -> dict[int, set[bytes]]:
        return {lease: keys for lease, keys in self.keys.items() if keys}
