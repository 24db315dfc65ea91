"""The messages of the etcd v3 API, as protobuf classes: ``schema.PutRequest`` and so on, and their enums.

They live in a descriptor pool of their own. Every client of etcd in Python puts files of the same names, with the same
messages, into protobuf's default pool, and protobuf refuses the second one. So a program can import such a client
before or after this module. Messages of the two cannot be mixed; their bytes can.

``POOL`` also has the services, by names such as ``etcdserverpb.KV``.
"""

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.internal import enum_type_wrapper

from . import etcdfiles

POOL = descriptor_pool.DescriptorPool()


def _classes(file: FileDescriptor) -> dict[str, Any]:
    """The messages and enums of a file by name, with the values of its enums."""
    found: dict[str, Any] = {}
    for name, message in file.message_types_by_name.items():
        found[name] = message_factory.GetMessageClass(message)
    for name, enum in file.enum_types_by_name.items():
        found[name] = enum_type_wrapper.EnumTypeWrapper(enum)
        found |= {value.name: value.number for value in enum.values}
    return found


for _file in FileDescriptorSet.FromString(etcdfiles.DATA).file:
    POOL.AddSerializedFile(_file.SerializeToString())
    globals().update(_classes(POOL.FindFileByName(_file.name)))
del _file
