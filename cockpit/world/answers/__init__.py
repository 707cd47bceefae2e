"""What the world answers itself, because moto cannot: one module a service.

Each module has a class that holds what it answers from, with `table()`: operation → function of the
request and its parameters that gives the output in the structure of botocore's model.
"""
