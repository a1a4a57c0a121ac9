"""Measures Plexus beside nginx, a bare Falcon route and its own ceiling, over loopback only."""
