"""What commands tell: kinds of results, one network after the other, as tables, JSON, CSV, figures.

Start with `report`.
"""
