"""A node's options by kind, read from the fields of its Config, so that tests of all options include new ones."""

from dataclasses import fields

from raftcy import Config

FLAGS = tuple(field.name for field in fields(Config) if field.type is bool)
NUMBERS = tuple(field.name for field in fields(Config) if field.type is int)
