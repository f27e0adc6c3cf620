"""Side by side with the peers, in one run (`make bench`): ratios are the evidence, absolute times are not."""
