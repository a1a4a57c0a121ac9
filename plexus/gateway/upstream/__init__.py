"""Upstream clients behind one seam."""
