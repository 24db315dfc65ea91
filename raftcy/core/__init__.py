"""The state machine: messages and ticks in, Ready out. Reads no clock, opens nothing, draws no chance of its own."""
