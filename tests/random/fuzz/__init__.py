"""Input that nobody would send: fuzzing of the decoders, the frames and the state machine, both builds in lockstep.

A target is a function of bytes that raises when a promise is broken (`targets`). Hypothesis draws the bytes in the
suite; `make fuzz` lets a coverage-guided fuzzer find them, beginning with `corpus`.
"""
