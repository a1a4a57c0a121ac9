"""Build time: plexus.json → generated/.  Never imported by the gateway."""
