"""Values in, text out: tables, JSON, JSON Lines. Decides and prints nothing; rich is loaded only for a terminal."""
