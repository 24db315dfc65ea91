"""Three processes that replicate commands durably, raftcy's and those of other implementations, in turns."""
