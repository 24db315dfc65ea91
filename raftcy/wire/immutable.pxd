# Nothing to do in the compiled build: its code writes C fields. The module itself is not compiled.
cdef inline void thaw(object value) noexcept:
    pass

cdef inline void freeze(object value) noexcept:
    pass
