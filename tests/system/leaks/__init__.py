"""Nothing is kept that nobody needs: objects, blocks and memory stay the same, however often the work is repeated."""
