cdef class Observer:
    cpdef offering(self, object node, object offer)
    cpdef began(self, str call, object given)
    cpdef returned(self, object node, object result)
    cpdef failed(self, object node, object error)
    cpdef raised(self, object node, object error, bint dead)
