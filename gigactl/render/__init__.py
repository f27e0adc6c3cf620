"""Values in, text out: tables, JSON, JSON Lines. Decides nothing and prints nothing; rich is loaded only for a terminal."""
