"""The hand-written transformers: dialects, and the named steps of ``transformer.use``."""
