"""Numbers; not compiled."""

APP = 3
