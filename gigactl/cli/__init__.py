"""The commands: arguments become a value, one call does the work, one view shows it. The only room that starts a loop."""
