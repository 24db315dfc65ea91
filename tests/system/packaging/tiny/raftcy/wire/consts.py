"""Numbers; stays plain."""

APP = 3
