"""What is said to one host."""
