"""Keeps objects whole: none can be seen before its ``__init__`` has succeeded, and none is initialised twice.

The compiled twin of ``whole.py``. A compiled class is made by its slots, which nothing here touches; what is replaced
is how Python code reaches ``__new__`` and ``__init__`` by name.
"""

from .._signature import FromSource

cdef extern from *:
    """
    static int raftcy_set_in_type(PyObject *type, PyObject *name, PyObject *value) {
        PyTypeObject *cls = (PyTypeObject *)type;
        int failed = PyDict_SetItem(cls->tp_dict, name, value);
        PyType_Modified(cls);
        return failed;
    }
    """
    int raftcy_set_in_type(object type, object name, object value) except -1


_FROM_SOURCE = FromSource()


def keep_whole(cls):
    """Let no object of a final class be seen half made; ``__init__`` of a finished one changes nothing."""

    def new(of, *args, **kwargs):
        if of is not cls:
            raise _no_kind(cls, of)
        return cls(*args, **kwargs)

    raftcy_set_in_type(cls, "__new__", staticmethod(new))
    raftcy_set_in_type(cls, "__init__", _is_made)
    raftcy_set_in_type(cls, "__signature__", _FROM_SOURCE)


def begin_whole(cls):
    """Let ``__cinit__`` begin each object of a class and its subclasses: Cython has seen to that already."""
    raftcy_set_in_type(cls, "__signature__", _FROM_SOURCE)


def has_one_owner(cls):
    """Let nothing copy or pickle the objects of a class: two of it would act as one member of a group."""

    def reduce(*args):
        raise refuse_copy(cls)

    raftcy_set_in_type(cls, "__reduce__", reduce)


def refuse_copy(cls):
    """The error for copying or pickling what has one owner."""
    return TypeError(f"{cls.__name__} cannot be copied or pickled: it has one owner")


def _is_made(*args, **kwargs):
    """Take the place of ``__init__``: the object is made."""


def _no_kind(cls, of):
    return TypeError(f"{cls.__name__}.__new__({of!r}): not {cls.__name__}")
