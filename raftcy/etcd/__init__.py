"""An etcd v3 server: the key-value store, its API and its command. Needs the extra ``raftcy[etcd]``."""
