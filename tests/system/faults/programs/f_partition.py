"""A link swallows all packets for 5 s, without a FIN. This program has to run as root on Linux.

It prints:

messages during the cut: 0
reported as unreachable within 4 s: True
messages flow within 1 s after the cut: True
"""

import asyncio

from tests.system.transport.cut import cut, enter_namespace


def main() -> None:
    enter_namespace()
    found = asyncio.run(cut(5.0))
    print("messages during the cut:", found["during"])
    print("reported as unreachable within 4 s:", found["first_report"] < 4)
    print("messages flow within 1 s after the cut:", found["after_heal"] < 1)


if __name__ == "__main__":
    main()
