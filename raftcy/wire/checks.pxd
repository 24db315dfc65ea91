cimport cython

cpdef object u64(object value, object name)
cpdef object i32(object value, object name)
cpdef bytes octets(object value, object name)
cpdef object flag(object value, object name)
cpdef object instance(object value, object cls, object name)
cpdef object member(dict table, object number)
