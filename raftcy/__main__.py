"""Runs the command line: ``python -m raftcy``."""

import sys

from .cli import main

sys.exit(main())
