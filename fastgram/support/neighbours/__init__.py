"""What other libraries hand over, told by the library that a class comes from; none is imported.

It imports nothing. Start with `reading`.
"""
