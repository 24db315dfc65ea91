"""The etcd server as its clients see it: unmodified programs, and recorded traffic."""
