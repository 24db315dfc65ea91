"""Fuzzes the decoders, the frames and the state machine with hostile input, both builds in lockstep.

A target is a function of bytes that raises when a promise is broken (`targets`). In the suite, hypothesis draws the
bytes. With `make fuzz`, a coverage-guided fuzzer finds them, starting from `corpus`.
"""
