"""Where mentions come from: one module for each platform, behind one protocol."""
