cdef class Observer:
    cpdef began(self, str call, object given)
    cpdef returned(self, object node, object result)
    cpdef raised(self, object node, object error, bint dead)
