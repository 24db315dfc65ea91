"""The state machine: takes messages and ticks, returns Readys. Reads no clock and opens no file or socket."""
