"""How many hosts at once: window, total deadline, retries, cancellation."""
