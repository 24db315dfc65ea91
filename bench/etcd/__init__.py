"""The etcd server beside etcd itself: see ``__main__``."""
