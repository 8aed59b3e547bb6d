"""What tests of several rooms share: cases, tolerances, oracles, devices that are none."""
