"""The named steps of ``transformer.use``, one per module."""
