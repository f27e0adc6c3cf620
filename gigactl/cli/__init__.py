"""The commands: arguments become a value, one call does the work, one view shows it. Only here a loop starts."""
