"""Random schedules of calls that overlap or are cut short, after which no task, socket or waiter may be left.

``python -m tests.random.races --runs 1000`` runs many; the suite runs a few.
"""
