"""What one can do with an audience beyond drafting it, one file each: ask first, then do it once it is approved."""
