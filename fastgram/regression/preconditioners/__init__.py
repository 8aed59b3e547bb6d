"""What `solve` multiplies by beside A: matrices near A⁻¹, and which of them costs least.

Start with `choice`; `costs` weighs, and each other file makes one kind.
"""
