"""Clock-driven simulation."""
