"""What a snapshot means: the Xid catalogue, rules, judge, comparison with the fleet, policy, explanations.

Pure: nothing is read but this package's own data files, once; the clock is an argument. Numbers and texts are data
with provenance.
"""
