"""Whole hosts in the simulator: real ``Host`` and ``Replica`` objects in simulated processes.

From the bottom up: ``loops`` and ``medium`` are a process's event loop and disk, ``wires`` and ``surroundings`` all
else that it has of the outside world; ``journal`` is the state machine, and ``truth`` what really happens to it;
``callers`` and ``roamers`` are the programs that call replicas; ``drawn`` has the set-up, ``process`` one start of a
member, and ``hostcluster`` all of them; ``deeds`` and ``attendant`` are what happens to them; ``hostrun`` is a run.
"""
