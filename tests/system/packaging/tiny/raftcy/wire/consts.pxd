# Numbers of consts.py for the compiled build; that module itself is not compiled.
cdef enum:
    APP = 3
