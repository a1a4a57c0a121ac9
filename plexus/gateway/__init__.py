"""The only room with IO at run time."""
