# Nothing to do in the compiled build: its code writes C fields. The module itself is not compiled.
cdef inline void unseal(object value) noexcept:
    pass

cdef inline void seal(object value) noexcept:
    pass
