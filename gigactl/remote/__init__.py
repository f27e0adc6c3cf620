"""What is said to one host: frozen dialogues, the bundle they ship, and how what comes back is decoded. Nothing here
connects."""
