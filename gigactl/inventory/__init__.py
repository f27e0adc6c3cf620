"""What the fleet is: hosts, groups, labels, selectors, and what is expected of each server model."""
