"""Everything between hearing and telling: scoring, incidents, store, daemon, command line, web console."""
