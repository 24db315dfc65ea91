"""The options of a node by their kinds, as the fields of its Config say, so that a test of all has the next one too."""

from dataclasses import fields

from raftcy import Config

FLAGS = tuple(field.name for field in fields(Config) if field.type is bool)
NUMBERS = tuple(field.name for field in fields(Config) if field.type is int)
