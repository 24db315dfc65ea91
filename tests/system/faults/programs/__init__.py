"""One program for each fault of other implementations, as in docs/faults.md; `parts` has what they share.

    python -m tests.system.faults.programs.b_after_failed_save

Each prints what happens in its situation, and its docstring says what that is, on both builds. `test_programs` runs
them. The names are those of the published programs, in `shared/faults`.
"""
