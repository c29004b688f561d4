"""What visitors see. A handful of statements a page, whatever the number of monitors; frozen rows that templates print.

Hidden monitors and private incidents are left out unless `staff` asks.
"""
