"""What Plexus says about itself; a leaf."""
