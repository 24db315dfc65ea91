# No-ops in the compiled build, whose code writes C fields directly. The module itself is not compiled.
cdef inline void thaw(object value) noexcept:
    pass

cdef inline void freeze(object value) noexcept:
    pass
