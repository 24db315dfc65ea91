"""That nothing is kept which nobody needs: objects, blocks and memory stay the same however often the work is done."""
