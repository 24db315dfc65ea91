"""The public API called with everything that it does not expect, on both builds, each batch in a process of its own."""
